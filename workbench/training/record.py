"""What a run leaves behind: log.jsonl, the film-strip, the state to resume from."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings, predict_ab
from workbench.errors import Problem
from workbench.writing import write_whole

STATE = "training/state.pt"
STATUS = "training/status.json"
STOP = "training/stop"  # a file of this name ends the run at the next step, everything kept


def write_log(folder: Path, lines: list[dict[str, Any]]) -> None:
    """Replace log.jsonl."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_whole(folder, {"log.jsonl": text.encode()})


def append_log(folder: Path, line: dict[str, Any]) -> None:
    """Add a line to log.jsonl."""
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of log.jsonl; a last line that a kill cut short is left out."""
    lines = []
    with contextlib.suppress(OSError):
        whole = (folder / "log.jsonl").read_text(encoding="utf-8", errors="replace")
        for text in whole.splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                lines.append(json.loads(text))
    return lines


def images_of(folder: Path) -> int | None:
    """How many images the run in this folder is to see; None where there is none to go on with."""
    if not (folder / STATE).is_file():
        return None
    lines = read_log(folder)
    return lines[0].get("run", {}).get("images") if lines else None


def write_status(folder: Path, status: dict[str, Any], pid: int | None = None) -> None:
    """Say what a run is doing, for those who watch; pid: of the run, this process by default."""
    path = folder / STATUS
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps({**status, "pid": pid or os.getpid()}), encoding="utf-8")
    partial.replace(path)


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Keep what is needed to go on, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(folder, {STATE: buffer.getvalue()})


def load_state(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The state to go on from, or None. Raises Problem when it is damaged."""
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise Problem(
            f"The training state {path} is damaged ({type(error).__name__}). "
            "Remove it to begin anew, or choose another --out."
        ) from None


class Watch:
    """Fixed validation pictures: scores for the log, and eight of them for the film-strip."""

    STRIP = 8
    SIDE = 96  # of a picture in the strip

    def __init__(
        self, pixels: np.ndarray, size: int, device: torch.device, shown: int | None = None
    ) -> None:
        """pixels uint8 (N, 3, S, S) of validation pictures; scored at size x size.

        shown: short side at which the network is shown them, as it will be when it is used.
        """
        self.shown = shown or size
        x = torch.from_numpy(np.array(pixels)).float() / 255
        x = nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
        self.truth = (x * 255 + 0.5).clamp(0, 255).to(torch.uint8).to(device)

    @torch.inference_mode()
    def paint(self, net: nn.Module, bf16: bool) -> Tensor:
        """The validation pictures (N, 3, size, size) uint8 as the net colours them now."""
        parts = []
        for truth in self.truth.split(32):
            L, _ = split_lab(truth)
            parts.append(join_rgb(L, predict_ab(net, L, self.shown, Settings(exact=not bf16))))
        return torch.cat(parts)

    def scores(self, painted: Tensor) -> dict[str, float]:
        """Mean PSNR, SSIM, AuC, CIEDE2000, and the difference in colourfulness to the truth."""
        from workbench.evaluation import metrics

        colourful = metrics.colorfulness(painted).mean() - metrics.colorfulness(self.truth).mean()
        values = {
            "psnr": metrics.psnr(painted, self.truth).mean(),
            "ssim": metrics.ssim(painted, self.truth).mean(),
            "auc": metrics.auc(painted, self.truth).mean(),
            "delta_e": metrics.delta_e(painted, self.truth).mean(),
            "delta_cf": colourful,
        }
        return {name: round(float(value), 4) for name, value in values.items()}

    def strip(self, painted: Tensor) -> bytes:
        """The first eight pictures in a row, as WebP."""
        return _row(painted[: self.STRIP])

    def truth_strip(self) -> bytes:
        """The same eight as they were, as WebP."""
        return _row(self.truth[: self.STRIP])


def _row(pictures: Tensor) -> bytes:
    from PIL import Image

    x = nn.functional.interpolate(pictures.float(), (Watch.SIDE,) * 2, mode="area")
    row = torch.cat(list(x), 2).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(row).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()
