"""The training loop: one function of headed paragraphs."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench import checkpoints
from workbench.color import rgb_to_lab
from workbench.data.pictures import Pictures
from workbench.errors import Problem
from workbench.preparation.answers import eye_answers
from workbench.spec import Recipe
from workbench.training import record
from workbench.training.batches import Batches
from workbench.training.run import Run, machine, use_bf16
from workbench.training.step import step

Report = Callable[[dict[str, Any]], None]
SAVE_SECONDS = 180  # between two resumable states, where --save-every does not say otherwise


class Stopped(Exception):
    """The run was asked to stop; its state is kept."""

    def __init__(self, seen: int) -> None:
        super().__init__(f"Stopped after {seen:,} images; the same command goes on from there.")


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
    save: Callable[[nn.Module, Path, dict[str, Any]], Any] = checkpoints.save,
) -> dict[str, Any]:
    """Train until run.images are seen, or go on where an earlier call was cut off.

    make(images) builds the recipe (network, critic, optimizers); validation: uint8 (n, 3, S, S);
    about: what config.json says besides (model, width, options, size, trained_on, ...).
    report(status) is called at every log line and now and then between. Returns the config.
    Raises Stopped when stop() turned true, Problem when the losses are no longer finite, when
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
    if run.compile:
        recipe.net.compile()

    # --- With what: on the device when it fits in half of its free memory, else streamed.
    pixels: np.ndarray | Tensor = pictures.pixels
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        pixels = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
    answers = eye_answers(pictures, recipe.asks, bf16, device) if recipe.asks else None
    batches = Batches(pixels, pictures.labels, run, device, rank, ranks, answers)
    watch = record.Watch(validation, run.largest, device, about.get("size"))

    # --- From where: the state of an earlier call, when it is of this very run.
    identity = {"run": run.identity(), "data": pictures.key, "model": about.get("model"),
                "width": about.get("width"), "options": about.get("options"),
                "recipe": about.get("recipe"), "from": about.get("from")}  # fmt: skip
    seen, elapsed, lines = 0, 0.0, []
    state = record.load_state(out, device)
    if state is not None:
        differs = [k for k, v in identity.items() if state["identity"].get(k) != v]
        if differs:
            raise Problem(
                f"{out} holds another run ({', '.join(differs)} differ). "
                "Choose another --out, or repeat that run's command to go on with it."
            )
        recipe.load_state_dict(state["recipe"])
        average.load_state_dict(state["average"])
        for name, optimizer in recipe.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        seen, elapsed = state["seen"], state["seconds"]
        lines = [line for line in record.read_log(out) if line.get("seen", 0) <= seen]
    header = {
        "run": asdict(run), **about, "images": len(pictures.pixels), "data": pictures.key,
        "check": pictures.report, "machine": machine(device, ranks), "bf16": bf16,
    }  # fmt: skip
    if first:
        (out / "training").mkdir(parents=True, exist_ok=True)
        (out / "strip").mkdir(exist_ok=True)
        (out / record.STOP).unlink(missing_ok=True)
        record.write_log(out, [header, *[line for line in lines if "seen" in line]])
        record.write_whole(out, {"strip/truth.webp": watch.truth_strip()})
        record.write_status(out, {"seen": seen, "images": run.images, "done": seen >= run.images})

    def keep() -> None:
        record.save_state(out, {
            "identity": identity, "seen": seen, "seconds": elapsed + time.monotonic() - begun,
            "recipe": recipe.state_dict(), "average": average.state_dict(),
            "optimizers": {n: o.state_dict() for n, o in recipe.optimizers.items()},
        })  # fmt: skip

    def use() -> dict[str, Any]:
        """Put the average weights where they can be used."""
        use_buffers(average, net)
        config = {
            **about, "images_seen": about.get("images_before", 0) + seen,
            "classes": list(pictures.classes),
            "precision": "bf16" if bf16 else "fp32", "machine": header["machine"],
            "seconds": round(elapsed + time.monotonic() - begun),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        return save(average, out, config)

    # --- The loop. Losses stay on the device; they are read back once per log line.
    log_every = run.log_every or max(1, run.images // 100)
    strip_every = run.strip_every or max(log_every, run.images // 20)
    share = (lambda optimizer: share_gradients(optimizer, ranks)) if ranks > 1 else None
    sums: dict[str, Tensor] = {}
    count, waited, mark, mark_seen = 0, 0.0, time.monotonic(), seen
    begun, last_report = time.monotonic(), 0.0
    last_save = begun
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(batches.fetch, seen)
        while seen < run.images:
            # A batch: fetched ahead of time, augmented and turned into Lab on the device.
            before = time.monotonic()
            taken, label, told = ahead.result()
            waited += time.monotonic() - before
            batch = run.batch_at(seen, ranks)
            if seen + batch < run.images:
                ahead = reader.submit(batches.fetch, seen + batch)
            lab = rgb_to_lab(batches.augment(taken, seen))
            lab = lab.contiguous(memory_format=torch.channels_last)
            recipe.schedule(seen)
            torch.manual_seed(run.seed * 1_000_003 + seen + rank)  # dropout, the same when resumed

            # Step each optimizer before the recipe computes its next loss.
            for name, loss in step(recipe, lab, label, bf16, share, told):
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
                asked = agreed(stop() or (out / record.STOP).exists(), ranks, device)
            if first and time.monotonic() - last_report > 0.5:
                last_report = time.monotonic()
                report({"seen": seen, "images": run.images})
            look = run.due(seen, batch, strip_every) or done
            if run.due(seen, batch, log_every) or look or asked:
                values = {n: float(s) / count for n, s in sums.items()}
                if ranks > 1:
                    values = average_values(values, ranks, device)
                if not all(np.isfinite(v) for v in values.values()):
                    raise Problem(
                        f"The losses were no longer finite between image {mark_seen:,} and "
                        f"{seen:,}: {values}. The last good state is kept in {out}; go on from it "
                        "with a lower learning rate in another --out (--from)."
                    )
                if first:
                    spent = time.monotonic() - mark
                    speed = (seen - mark_seen) / max(spent, 1e-9)
                    line = {
                        "seen": seen, "losses": {n: round(v, 5) for n, v in values.items()},
                        "rate": round(speed, 1), "waited": round(waited / max(spent, 1e-9), 4),
                        "learning_rate": recipe.optimizers["net"].param_groups[0]["lr"],
                        "size": run.size_at(seen - 1),
                        "seconds": round(elapsed + time.monotonic() - begun, 1),
                    }  # fmt: skip
                    if look:
                        use_buffers(average, net)
                        painted = watch.paint(average, bf16)
                        line |= {"validation": watch.scores(painted)}
                        record.write_whole(out, {f"strip/{seen:09d}.webp": watch.strip(painted)})
                    record.append_log(out, line)
                    left = (run.images - seen) / speed
                    status = {**line, "images": run.images, "left": left, "done": done}
                    report(status)
                    record.write_status(out, status)
                sums, count, waited = {}, 0, 0.0
                mark, mark_seen = time.monotonic(), seen
            if run.save_every:
                due = run.due(seen, batch, run.save_every)
            else:
                due = time.monotonic() - last_save > SAVE_SECONDS
            if first and (due or done or asked):
                keep()
                last_save = time.monotonic()
            if asked and not done:
                ahead.cancel()
                if first:
                    use()
                raise Stopped(seen)
    return use() if first else {}


def use_buffers(average: nn.Module, net: nn.Module) -> None:
    """Running statistics are not averaged: the net's own are used."""
    for mean, now in zip(average.buffers(), net.buffers(), strict=True):
        mean.copy_(now)


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


def agreed(asked: bool, ranks: int, device: torch.device) -> bool:
    """Whether any process was asked to stop."""
    if ranks == 1:
        return asked
    return average_values({"asked": float(asked)}, ranks, device)["asked"] > 0


def average_values(values: dict[str, float], ranks: int, device: torch.device) -> dict[str, float]:
    """The mean of each value over all processes."""
    import torch.distributed as dist

    flat = torch.tensor(list(values.values()), device=device)
    dist.all_reduce(flat)
    return dict(zip(values, (flat / ranks).tolist(), strict=True))
