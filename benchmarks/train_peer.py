"""The training loop of github.com/richzhang/colorization-pytorch, run from a checkout and timed.

`bench_train --peer DIR` starts this file in a process and a folder of its own. What is executed
is the checkout's own train.py, with stubs for what it imports and today's installations lack, and,
where there is no CUDA device, for what it asks of one. The clock hangs on the model's
`optimize_parameters`, which train.py calls once for each batch.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

DEAD = ("IPython", "visdom", "dominate", "scipy.misc")  # imported, never called in these runs
WARM_UP = 2  # steps before the clock starts


class Ended(Exception):
    """The time is over."""


def stub_dead_modules() -> None:
    """Empty modules for what train.py and its parts import by name and do not call."""
    for name in DEAD:
        stub = ModuleType(name)
        stub.embed = stub.imresize = stub.tags = None  # type: ignore[attr-defined]
        sys.modules[name] = stub


def stub_cuda(model: Any) -> None:
    """Let what it asks of a CUDA device be answered on the processor."""
    torch.Tensor.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]
    for kind in ("FloatTensor", "LongTensor"):
        setattr(torch.cuda, kind, getattr(torch, kind))
    initialize = model.initialize

    def initialize_without_gpu(self: Any, opt: Any) -> None:
        initialize(self, opt)
        self.netG.__dict__["module"] = self.netG  # DataParallel's name for what it wraps

    model.initialize = initialize_without_gpu


def time_steps(model: Any, seconds: float) -> dict[str, float]:
    """Hang the clock on the model's steps; what is found is written into the dict returned."""
    found: dict[str, float] = {"images": 0, "seconds": 0.0, "macs": 0.0}
    plain = model.optimize_parameters
    count, begun = 0, 0.0

    def optimize_parameters(self: Any) -> None:
        nonlocal count, begun
        images = len(self.real_A)  # it leaves out pictures that are nearly grey
        if count == 0:
            with FlopCounterMode(display=False) as counter:
                plain(self)
            found["macs"] = counter.get_total_flops() / 2 / images
        else:
            plain(self)
        count += 1
        if count < WARM_UP:
            return
        if count == WARM_UP:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            begun = time.perf_counter()
            return
        found["images"] += images
        if time.perf_counter() - begun > seconds:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            found["seconds"] = time.perf_counter() - begun
            raise Ended

    model.optimize_parameters = optimize_parameters
    return found


def main() -> None:
    """Run train.py in the working folder, where dataset/ilsvrc2012/train lies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("result", type=Path, help="a file for images, seconds, macs (of an image)")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--workers", type=int, required=True)
    asked = parser.parse_args()
    sys.path[0] = str(asked.checkout)
    stub_dead_modules()

    from models.pix2pix_model import Pix2PixModel  # type: ignore[import-not-found]
    from options.train_options import TrainOptions  # type: ignore[import-not-found]

    if not torch.cuda.is_available():
        stub_cuda(Pix2PixModel)
    parse = TrainOptions.parse

    def parse_with_workers(self: Any, *args: Any) -> Any:
        opt = parse(self, *args)
        opt.num_threads = asked.workers  # train.py reads it; the option's name has changed
        return opt

    TrainOptions.parse = parse_with_workers
    found = time_steps(Pix2PixModel, asked.seconds)
    sys.argv = [
        "train.py", "--classification", "--phase", "train", "--name", "bench",
        "--gpu_ids", "0" if torch.cuda.is_available() else "-1",
        "--batch_size", str(asked.batch_size), "--fineSize", str(asked.size),
        "--loadSize", str(asked.size + 16), "--display_id", "-1", "--no_html",
        "--save_latest_freq", str(10**9),
    ]  # fmt: skip
    try:
        runpy.run_path(str(asked.checkout / "train.py"), run_name="__main__")
    except Ended:
        asked.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
