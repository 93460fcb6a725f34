"""What a run writes: log.jsonl, the film-strip, the state to resume from."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings, predict_ab
from workbench.data.pictures import Shape
from workbench.errors import Problem
from workbench.spec import Recipe
from workbench.training import state
from workbench.training.collapse import measure_colors, say_collapse, share_dead
from workbench.training.run import Run
from workbench.training.stopping import GAIN, find_stop_signal, may_be_kept
from workbench.writing import replacing, write_whole

Report = Callable[[dict[str, Any]], None]
SAVE_SECONDS = 180  # between two resumable states, where --save-every does not say otherwise
STATUS = "training/status.json"
FEW = 32  # pictures that are painted and measured together
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
    if not state.has_state(folder):
        return None
    lines = read_log(folder)
    return lines[0].get("run", {}).get("images") if lines else None


def write_status(folder: Path, status: dict[str, Any], pid: int | None = None) -> None:
    """Say what a run is doing, for those who watch; pid: of the run, this process by default."""
    with replacing(folder / STATUS) as partial:
        partial.write_text(json.dumps({**status, "pid": pid or os.getpid()}), encoding="utf-8")


@dataclass
class Record:
    """What a run writes as it goes: log.jsonl, the film-strip, the status, the state, the weights.

    Every process has one and goes on from the same state; only the `first` one writes and reports.
    """

    out: Path
    run: Run
    recipe: Recipe
    average: nn.Module  # the weights for use
    watch: Watch
    about: dict[str, Any]  # what config.json says besides
    header: dict[str, Any]  # the first line of the log
    classes: list[str]
    first: bool
    report: Report
    save: Callable[[nn.Module, Path, dict[str, Any]], Any]
    identity: dict[str, Any] = field(init=False)  # what another run has otherwise
    states: state.Keeper = field(init=False)
    result: dict[str, Any] | None = None  # what an earlier call that was done returned
    lines: list[dict[str, Any]] = field(init=False)  # of the log of earlier calls
    elapsed: float = 0.0  # seconds of earlier calls
    waited: float = 0.0  # seconds for pictures since the last line
    begun: float = 0.0  # by the monotonic clock, as are the next three
    saved: float = 0.0
    told: float = 0.0
    mark: float = 0.0  # of the last line
    mark_seen: int = 0  # images seen then
    signal: str = ""  # why more training would not pay: `stopping.RULE`
    best: dict[str, Any] | None = None  # of the late looks: seen, psnr, weights (`stopping.KEPT`)
    last: float = 0.0  # PSNR of the last look

    def resume(self, device: torch.device) -> int:
        """Take up the state of an earlier call of this very run; how many images it has seen."""
        told = {"run": self.run.identity(), "data": self.header["data"]}
        keys = ("model", "width", "options", "recipe", "from")
        self.identity = told | {key: self.about.get(key) for key in keys}
        self.lines, self.states = [], state.Keeper(self.out)
        manifest = state.read_manifest(self.out)
        if manifest:
            self._require_same(manifest.get("identity", {}))
        if "result" in manifest and self._is_there(manifest["result"]):
            self.result = manifest["result"]
            return manifest["seen"]
        found = state.load_state(self.out, device)
        if found is None:
            return 0
        if not manifest:  # of before: its key of the data was of the files' times
            self._require_same({**found["identity"], "data": self.identity["data"]})
        self.recipe.load_state_dict(found["recipe"])
        self.average.load_state_dict(found["average"])
        for name, optimizer in self.recipe.optimizers.items():
            optimizer.load_state_dict(found["optimizers"][name])
        self.elapsed, self.best = found["seconds"], found.get("best")
        self.lines = [line for line in read_log(self.out) if line.get("seen", 0) <= found["seen"]]
        return found["seen"]

    def _require_same(self, identity: dict[str, Any]) -> None:
        ours = json.loads(json.dumps(self.identity))
        theirs = json.loads(json.dumps(identity))
        differs = [key for key, value in ours.items() if theirs.get(key) != value]
        if differs:
            raise Problem(
                f"{self.out} holds another run ({', '.join(differs)} differ). "
                "Choose another --out, or repeat that run's command to go on with it."
            )

    def _is_there(self, result: dict[str, Any]) -> bool:
        """Whether the weights that a run returned still lie where it wrote them."""
        return all((self.out / name).is_file() for name in result.get("files", ()))

    def begin(self, seen: int) -> None:
        """Write what there is before the first step, and start the clock."""
        if self.first:
            (self.out / "training").mkdir(parents=True, exist_ok=True)
            (self.out / "strip").mkdir(exist_ok=True)
            (self.out / STOP).unlink(missing_ok=True)
            write_log(self.out, [self.header, *[line for line in self.lines if "seen" in line]])
            write_whole(self.out, {"strip/truth.webp": self.watch.truth_strip()})
            images = self.run.images
            write_status(self.out, {"seen": seen, "images": images, "done": seen >= images})
        self.begun = self.saved = self.mark = time.monotonic()
        self.mark_seen = seen

    def seconds(self) -> float:
        """How long the run has taken, earlier calls included."""
        return self.elapsed + time.monotonic() - self.begun

    def report_progress(self, seen: int) -> None:
        """Report how far it is, at most twice a second."""
        if self.first and time.monotonic() - self.told > 0.5:
            self.told = time.monotonic()
            self.report({"seen": seen, "images": self.run.images})

    def add_line(self, seen: int, values: dict[str, float], look: bool) -> None:
        """A line of the log: the mean losses since the last one; a look at the pictures.

        Raises Problem when the losses are no longer finite.
        """
        if not all(np.isfinite(v) for v in values.values()):
            raise Problem(
                f"The losses were no longer finite between image {self.mark_seen:,} and "
                f"{seen:,}: {values}. The last good state is kept in {self.out}; go on from it "
                "with a lower learning rate in another --out (--from)."
            )
        if self.first:
            self._write_line(seen, values, look)
        self.waited, self.mark, self.mark_seen = 0.0, time.monotonic(), seen

    def _write_line(self, seen: int, values: dict[str, float], look: bool) -> None:
        spent = time.monotonic() - self.mark
        speed = (seen - self.mark_seen) / max(spent, 1e-9)
        line = {
            "seen": seen, "losses": {n: round(v, 5) for n, v in values.items()},
            "rate": round(speed, 1), "waited": round(self.waited / max(spent, 1e-9), 4),
            "learning_rate": self.recipe.optimizers["net"].param_groups[0]["lr"],
            "size": min(self.run.shape_at(seen - 1)), "seconds": round(self.seconds(), 1),
        }  # fmt: skip
        if look:
            use_buffers(self.average, self.recipe.net)
            painted = self.watch.paint(self.average, self.header["bf16"])
            line |= {
                "validation": self.watch.scores(painted), "colors": self.watch.colors(painted),
                "dead": round(share_dead(self.recipe.net), 4),
            }  # fmt: skip
            write_whole(self.out, {f"strip/{seen:09d}.webp": self.watch.strip(painted)})
            self._keep_best(seen, line["validation"]["psnr"])
            self.lines.append(line)
            self.signal = find_stop_signal(self.lines) or ""
            line |= {"signal": self.signal} if self.signal else {}
            line |= {"collapse": said} if (said := say_collapse(line)) else {}
            if seen >= self.run.images and self.best and self._is_better(self.best):
                line |= {"kept": (
                    f"The weights for use are those after {self.best['seen']:,} images, with "
                    f"{self.best['psnr']:.2f} dB on the watched pictures; at the end it was "
                    f"{self.last:.2f} dB."
                )}  # fmt: skip
        append_log(self.out, line)
        images = self.run.images
        status = {**line, "images": images, "left": (images - seen) / speed, "done": seen >= images}
        self.report(status)
        write_status(self.out, status)

    def _keep_best(self, seen: int, psnr: float) -> None:
        """Keep a copy of the weights for use where this look is the best of the late ones."""
        self.last = psnr
        if not self.run.keep_best or not may_be_kept(seen, self.run.images):
            return
        if not self.best or psnr > self.best["psnr"]:
            weights = state.copy_to_host(self.average.state_dict(), {})
            self.best = {"seen": seen, "psnr": psnr, "weights": weights}

    def _is_better(self, best: dict[str, Any]) -> bool:
        return best["psnr"] > self.last + GAIN

    def is_due(self, seen: int, batch: int) -> bool:
        """Whether it is time to keep the state. Raises Problem where the last one failed."""
        self.states.check()
        if self.run.save_every:
            return self.run.is_due(seen, batch, self.run.save_every)
        return time.monotonic() - self.saved > SAVE_SECONDS

    def keep_state(self, seen: int) -> None:
        """Keep what is needed to go on from here; it is written beside the next steps."""
        if not self.first:
            return
        optimizers = {name: each.state_dict() for name, each in self.recipe.optimizers.items()}
        self.states.keep({
            "identity": self.identity, "seen": seen, "seconds": self.seconds(),
            "recipe": self.recipe.state_dict(), "average": self.average.state_dict(),
            "optimizers": optimizers, "best": self.best,
        })  # fmt: skip
        self.saved = time.monotonic()

    def finish(self, seen: int) -> dict[str, Any]:
        """The weights for use, and the state gone; the config, {} of the other processes."""
        config = self.use_average(seen, self.best)
        if self.first:
            state.finish_state(self.out, seen, self.identity, config)
        return config

    def use_average(self, seen: int, best: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put the average weights where they can be used; the config, {} of the other processes.

        best: the late look whose weights are taken where it was the better one (`stopping.KEPT`).
        """
        if not self.first:
            return {}
        if best and self._is_better(best):
            self.average.load_state_dict(best["weights"])
            seen = best["seen"]
        else:
            use_buffers(self.average, self.recipe.net)
        config = {
            **self.about, "images_seen": self.about.get("images_before", 0) + seen,
            "classes": self.classes, "precision": "bf16" if self.header["bf16"] else "fp32",
            "machine": self.header["machine"], "seconds": round(self.seconds()),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        return self.save(self.average, self.out, config)


def use_buffers(average: nn.Module, net: nn.Module) -> None:
    """Running statistics are not averaged: the net's own are used."""
    for mean, now in zip(average.buffers(), net.buffers(), strict=True):
        mean.copy_(now)


class Watch:
    """Fixed validation pictures: scores for the log, and eight of them for the film-strip."""

    STRIP = 8
    SIDE = 96  # the short one of a picture in the strip

    def __init__(
        self, pixels: np.ndarray, shape: Shape, device: torch.device, shown: int | None = None
    ) -> None:
        """pixels uint8 (N, 3, H, W) of validation pictures; scored at this height and width.

        shown: short side at which the network is shown them, as it will be when it is used.
        """
        self.shown = shown or min(shape)
        x = torch.from_numpy(np.array(pixels)).float() / 255
        x = nn.functional.interpolate(x, shape, mode="bilinear", antialias=True)
        self.truth = (x * 255 + 0.5).clamp(0, 255).to(torch.uint8).to(device)

    @torch.inference_mode()
    def paint(self, net: nn.Module, bf16: bool) -> Tensor:
        """The validation pictures (N, 3, height, width) uint8 as the net colours them now."""
        parts = []
        for truth in self.truth.split(FEW):
            L, _ = split_lab(truth)
            parts.append(join_rgb(L, predict_ab(net, L, self.shown, Settings(exact=not bf16))))
        return torch.cat(parts)

    def scores(self, painted: Tensor) -> dict[str, float]:
        """Mean PSNR, SSIM, AuC, CIEDE2000, and the difference in colourfulness to the truth."""
        from workbench.evaluation import metrics

        def of_colors(painted: Tensor, truth: Tensor) -> Tensor:
            return metrics.colorfulness(painted) - metrics.colorfulness(truth)

        measures = {
            "psnr": metrics.psnr, "ssim": metrics.ssim, "auc": metrics.auc,
            "delta_e": metrics.delta_e, "delta_cf": of_colors,
        }  # fmt: skip
        few = list(zip(painted.split(FEW), self.truth.split(FEW), strict=True))
        values = {
            name: torch.cat([measure(*pair) for pair in few]).mean()
            for name, measure in measures.items()
        }
        return {name: round(float(value), 4) for name, value in values.items()}

    def scores_of_grey(self) -> dict[str, float]:
        """The scores that painting nothing has on these pictures."""
        grey = torch.cat(
            [join_rgb(L, L.new_zeros(len(L), 2, *L.shape[-2:]))
             for L, _ in map(split_lab, self.truth.split(FEW))]
        )  # fmt: skip
        return self.scores(grey)

    def colors(self, painted: Tensor) -> dict[str, float]:
        """How far the colours of the painted pictures vary, and the truth's."""
        return measure_colors(split_lab(painted)[1], split_lab(self.truth)[1])

    def strip(self, painted: Tensor) -> bytes:
        """Eight of the pictures in a row, as WebP."""
        return _row(self._pick_strip(painted))

    def truth_strip(self) -> bytes:
        """The same eight as they were, as WebP."""
        return _row(self._pick_strip(self.truth))

    def _pick_strip(self, pictures: Tensor) -> Tensor:
        """The same pictures in every strip, from all over the validation pictures."""
        return pictures[:: max(1, len(pictures) // self.STRIP)][: self.STRIP]


def _row(pictures: Tensor) -> bytes:
    from PIL import Image

    scale = Watch.SIDE / min(pictures.shape[-2:])
    shape = tuple(round(side * scale) for side in pictures.shape[-2:])
    x = nn.functional.interpolate(pictures.float(), shape, mode="area")
    row = torch.cat(list(x), 2).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(row).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()
