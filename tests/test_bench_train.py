"""The benchmark of training runs without data, and runs a peer's train.py beside ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bench_train import peer_loop, sample_pictures
from workbench.places import ROOT

SIZE = 16
# The interface that `train_peer` asks of a checkout, no more: what it calls and what it sets.
CHECKOUT = {
    "options/__init__.py": "",
    "options/train_options.py": """
import argparse

class TrainOptions:
    def parse(self):
        parser = argparse.ArgumentParser()
        for name in ("phase", "name", "gpu_ids", "display_id"):
            parser.add_argument("--" + name)
        for name in ("batch_size", "fineSize", "loadSize", "save_latest_freq"):
            parser.add_argument("--" + name, type=int)
        for name in ("classification", "no_html"):
            parser.add_argument("--" + name, action="store_true")
        return parser.parse_args()
""",
    "models/__init__.py": "",
    "models/pix2pix_model.py": """
import torch
from IPython import embed  # dead: never called

class Pix2PixModel:
    def initialize(self, opt):
        self.netG = torch.nn.Conv2d(1, 2, 1)

    def optimize_parameters(self):
        out = self.netG.module(self.real_A.cuda())
        out.type(torch.cuda.FloatTensor).sum().backward()
""",
    "train.py": """
from pathlib import Path
import torch
from models.pix2pix_model import Pix2PixModel
from options.train_options import TrainOptions
from scipy.misc import imresize

if __name__ == "__main__":
    opt = TrainOptions().parse()
    assert opt.classification and opt.phase == "train" and opt.num_threads == 0
    assert len(list(Path("dataset/ilsvrc2012/train/063").iterdir())) == 6
    model = Pix2PixModel()
    model.initialize(opt)
    while True:
        model.real_A = torch.zeros(opt.batch_size - 1, 1, opt.fineSize, opt.fineSize)
        model.optimize_parameters()
""",
}


def write_checkout(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_it_runs_without_data() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_train", "--models", "vanilla_cnn",
         "--width", "0.125", "--size", "32", "--batch-size", "4", "--seconds", "0.2",
         "--pictures", "16", "--workers", "0"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("vanilla_cnn"))
    ours, fp32, plain = (float(row.split()[place].removesuffix("/s")) for place in (1, 5, 6))
    ratio, same = (float(text.removesuffix("x")) for text in row.split()[-2:])
    assert ratio == pytest.approx(ours / plain, rel=0.01, abs=0.06)
    assert same == pytest.approx(fp32 / plain, rel=0.01, abs=0.06)


def test_a_peers_train_py_is_run_and_its_multiply_adds_are_counted(tmp_path: Path) -> None:
    checkout = write_checkout(tmp_path / "checkout", CHECKOUT)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    speed, macs = peer_loop(checkout, sample_pictures(pictures, 6, SIZE), SIZE, 4, 0, 0.05)
    assert speed > 0
    # A 1 x 1 convolution from 1 channel to 2, forward and the gradient of its weights.
    assert macs == 2 * (2 * SIZE * SIZE)


def test_a_peer_that_fails_is_said_with_its_last_line(tmp_path: Path) -> None:
    checkout = write_checkout(tmp_path, {**CHECKOUT, "train.py": "raise ValueError('no data')"})
    with pytest.raises(SystemExit, match=r"train\.py did not run: ValueError: no data"):
        peer_loop(checkout, tmp_path, SIZE, 4, 0, 0.05)
