"""The training loop: one function of headed paragraphs."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench import checkpoints
from workbench.data.pictures import Pictures
from workbench.errors import Problem
from workbench.preparation.answers import eye_answers
from workbench.spec import Recipe
from workbench.training import record
from workbench.training.batches import Batches, move_whole
from workbench.training.compiling import compile_step
from workbench.training.record import Record, Report
from workbench.training.run import Run, describe_machine, use_bf16
from workbench.training.step import set_rates, step


class Stopped(Exception):
    """The run was asked to stop; its state is kept."""

    def __init__(self, seen: int, why: str = "") -> None:
        said = f"Stopped after {seen:,} images; the same command goes on from there."
        super().__init__(f"{why} {said}".strip())


def train(
    make: Callable[[int], Recipe],
    pictures: Pictures,
    validation: np.ndarray,
    run: Run,
    out: Path,
    about: dict[str, Any],
    *,
    report: Report = lambda status: None,
    stop: Callable[[], bool] = lambda: False,
    stop_early: bool = False,
    save: Callable[[nn.Module, Path, dict[str, Any]], Any] = checkpoints.save,
) -> dict[str, Any]:
    """Train until run.images are seen, or go on where an earlier call was cut off.

    make(images) builds the recipe (network, critic, optimizers); validation: uint8 (n, 3, S, S);
    about: what config.json says besides (model, width, options, size, trained_on, ...).
    report(status) is called at every log line and now and then between. Returns the config.
    stop_early: end, with everything kept, when the validation curve has flattened or turned.
    Raises Stopped when stop() is true, Problem when the losses are no longer finite, when
    the folder holds another run, or when the disk is full; what was saved before is kept.
    """
    from accelerate import PartialState

    # --- Where: one process, or several that share each batch.
    place = PartialState(cpu=not torch.cuda.is_available())
    device, ranks, rank = place.device, place.num_processes, place.process_index
    if run.batch_size % ranks:
        raise Problem(f"A batch of {run.batch_size} cannot be shared evenly by {ranks} processes.")
    bf16 = use_bf16(run.precision, device)
    first = place.is_main_process
    tune_device(device, bf16)

    # --- What: network and critic, the same on every process; average weights for use.
    torch.manual_seed(run.seed)
    recipe = make(run.images).to(device)
    recipe.to(memory_format=torch.channels_last)
    if ranks > 1 and device.type == "cuda":
        recipe = nn.SyncBatchNorm.convert_sync_batchnorm(recipe)
    recipe.train()
    net = recipe.net
    average = copy.deepcopy(net).eval().requires_grad_(False)
    trained = [(a, p) for a, p in zip(average.parameters(), net.parameters(), strict=True)
               if p.requires_grad]  # fmt: skip

    # --- With what: on the device when it fits in half of its free memory, else streamed.
    pixels: np.ndarray | Tensor = pictures.pixels
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        pixels = move_whole(pictures.pixels, device)
    answers = eye_answers(pictures, recipe.asks, bf16, device) if recipe.asks else None
    batches = Batches(pixels, pictures.labels, run, device, rank, ranks, answers, pictures.groups)
    watch = record.Watch(validation, run.largest, device, about.get("size"))

    # --- From where: the state of an earlier call, when it is of this very run.
    header = {
        "run": asdict(run), **about, "images": len(pictures.pixels), "data": pictures.key,
        "check": pictures.report, "machine": describe_machine(device, ranks), "bf16": bf16,
        "scores_of_grey": watch.scores_of_grey() if first else {},
    }  # fmt: skip
    kept = Record(
        out, run, recipe, average, watch, about, header, list(pictures.classes), first, report, save
    )
    seen = kept.resume(device)
    if kept.result is not None:
        return kept.result if first else {}
    if run.compile:
        header["compiled"] = compile_step(recipe, batches, run, bf16, seen)
        if first:
            report({"seen": seen, "images": run.images, "compiled": header["compiled"]})
    kept.begin(seen)

    # --- The loop. Losses stay on the device; they are read back once per log line.
    log_every = run.log_every or max(1, run.images // 100)
    strip_every = run.strip_every or max(log_every, run.images // 20)
    share = (lambda optimizer: share_gradients(optimizer, ranks)) if ranks > 1 else None
    sums: dict[str, Tensor] = {}
    count = 0
    with ThreadPoolExecutor(1) as reader, contextlib.closing(kept.states):
        ahead = reader.submit(batches.fetch, seen)
        while seen < run.images:
            # A batch: fetched ahead of time, augmented and converted to Lab on the device.
            before = time.monotonic()
            taken, label, told = batches.take(ahead.result())
            kept.waited += time.monotonic() - before
            batch = run.batch_at(seen, ranks)
            if seen + batch < run.images:
                ahead = reader.submit(batches.fetch, seen + batch)
            lab = batches.lab(taken, seen)
            set_rates(recipe, seen, run.warm_up)
            torch.manual_seed(run.seed * 1_000_003 + seen + rank)  # dropout, the same when resumed

            # Step each optimizer before the recipe computes its next loss.
            for name, loss in step(
                recipe, lab, label, bf16, share, told, parts=run.accumulate, clip=run.clip
            ):
                sums[name] = sums.get(name, 0) + loss
            count += 1
            seen += batch
            keep_share = 0.5 ** (batch / min(run.half_life, max(1, seen // 8)))
            means, nows = zip(*trained, strict=True)
            torch._foreach_lerp_(list(means), [p.detach() for p in nows], 1 - keep_share)

            # Say how it goes; look at the validation pictures; keep what is needed to go on.
            done = seen >= run.images
            asked = False
            if seen // run.batch_size % 4 == 0 or done:
                asked = any_was_asked(stop() or (out / record.STOP).exists(), ranks, device)
            kept.report_progress(seen)
            look = run.is_due(seen, batch, strip_every) or done
            if run.is_due(seen, batch, log_every) or look or asked:
                values = {n: float(s) / count for n, s in sums.items()}
                kept.add_line(seen, average_values(values, ranks, device), look)
                sums, count = {}, 0
                if look and stop_early:
                    asked = any_was_asked(asked or bool(kept.signal), ranks, device)
            if done:
                break
            if asked or kept.is_due(seen, batch):
                kept.keep_state(seen)
            if asked:
                ahead.cancel()
                kept.use_average(seen)
                raise Stopped(seen, kept.signal if stop_early else "")
    return kept.finish(seen)


def tune_device(device: torch.device, bf16: bool) -> None:
    """On a GPU: the fastest convolutions for shapes that stay, TF32 beside bf16."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high" if bf16 else "highest")


def share_gradients(optimizer: torch.optim.Optimizer, ranks: int) -> None:
    """Average the gradients of an optimizer's parameters over all processes."""
    import torch.distributed as dist

    grads = [p.grad for group in optimizer.param_groups for p in group["params"]
             if p.grad is not None]  # fmt: skip
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat /= ranks
    start = 0
    for grad in grads:
        grad.copy_(flat[start : start + grad.numel()].view_as(grad))
        start += grad.numel()


def any_was_asked(asked: bool, ranks: int, device: torch.device) -> bool:
    """Whether any process was asked to stop."""
    return average_values({"asked": float(asked)}, ranks, device)["asked"] > 0


def average_values(values: dict[str, float], ranks: int, device: torch.device) -> dict[str, float]:
    """The mean of each value over all processes."""
    if ranks == 1:
        return values
    import torch.distributed as dist

    flat = torch.tensor(list(values.values()), device=device)
    dist.all_reduce(flat)
    return dict(zip(values, (flat / ranks).tolist(), strict=True))
