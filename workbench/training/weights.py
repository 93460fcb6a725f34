"""All weights from data: a plan of jobs, one after the other, that goes on where it was cut off.

Each job is a command of the workbench that can be given by hand. What is done is kept in
`weights.json` beside the runs; a training that was cut off goes on by its own state.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import checkpoints, places
from workbench.checkpoints import Checkpoint
from workbench.errors import Problem
from workbench.evaluation import summaries
from workbench.evaluation.scores import Score, read_all
from workbench.models import MODELS
from workbench.models.eye import CHANGE
from workbench.spec import stored_elsewhere
from workbench.training.plan import pick_fitting
from workbench.writing import write_whole

STATE = "weights.json"
PRESET = "bundled"
JUDGED_AT = 128  # side at which two networks are compared before one replaces the other
JUDGED_BY = "psnr"
PARTS = (
    "model*.safetensors*",
    "log*.jsonl",
    "README.md",
    "grid.webp",
    "strip/*",
    "scores/[!.]*",
    "by_colour/*",
    "distances.json",
)


@dataclass(frozen=True)
class Job:
    """A command of the workbench. images: what it trains on, for the progress of the whole."""

    name: str
    arguments: tuple[str, ...]
    images: int = 0


def share_minutes(speeds: Mapping[str, float], minutes: float) -> dict[str, int]:
    """Images for each model so that all together take `minutes`.

    speeds: images per second. The longer a preset is, the larger its share of the time.
    """
    wanted = {name: MODELS[name].presets[PRESET].run["images"] for name in speeds}
    seconds = sum(wanted[name] / speed for name, speed in speeds.items())
    scale = minutes * 60 / seconds
    return {name: max(1, int(images * scale)) for name, images in wanted.items()}


def plan_jobs(
    images: Mapping[str, int],
    data: Sequence[str],
    validation: Sequence[str],
    test: Sequence[str],
    out: Path,
    go_on: bool = False,
    settings: Sequence[str] = (),
) -> list[Job]:
    """Train, evaluate and describe each model, one after the other.

    images: model -> how many it sees; go_on: start from the bundled weights where there are some;
    settings: further arguments of every training.
    """
    bundled = checkpoints.available(places.CHECKPOINTS)
    sources = [part for source in data for part in ("--data", source)]
    watched = [part for source in validation for part in ("--validation", source)]
    scored = [part for source in test for part in ("--data", source)]
    made = []
    for name, count in images.items():
        run = str(out / name)
        start = ["--from", name] if go_on and name in bundled else []
        train = ["train", name, *sources, *watched, "--preset", PRESET, "--images", str(count)]
        made.append(Job(f"train {name}", (*train, *start, *settings, "--out", run), count))
        if test:
            evaluate = ("evaluate", run, *scored, "--out", str(out))
            made.append(Job(f"evaluate {name}", evaluate))
        made.append(Job(f"card {name}", ("card", run)))
    return made


def run_jobs(
    planned: Sequence[Job], out: Path, work: Callable[[Sequence[str]], None]
) -> Iterator[tuple[Job, float]]:
    """Do what is not done yet; yields each job before it begins, with the share that is done.

    work(arguments) does a job and raises where it cannot. The share is of the images to be trained
    on. Raises Problem where the folder holds another plan.
    """
    whole = sum(job.images for job in planned) or 1
    plan = [list(job.arguments) for job in planned]
    state = read_state(out)
    if state.get("plan", plan) != plan:
        raise Problem(
            f"{out} holds another plan. Repeat its command to go on with it, or choose another "
            "--out."
        )
    done: list[str] = state.get("done", [])
    for job in planned:
        if job.name in done:
            continue
        yield job, sum(each.images for each in planned if each.name in done) / whole
        work(job.arguments)
        done.append(job.name)
        keep_state(out, {**read_state(out), "plan": plan, "done": done})


def read_state(out: Path) -> dict[str, Any]:
    """What is done and decided in this folder; {} where nothing is."""
    try:
        return json.loads((out / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise Problem(f"{out / STATE} is damaged: remove it to begin the plan anew.") from None


def keep_state(out: Path, state: Mapping[str, Any]) -> None:
    """Replace what is kept in this folder."""
    write_whole(out, {STATE: (json.dumps(state, indent=1) + "\n").encode()})


def own_scores(folder: Path) -> list[Score]:
    """The rows that two networks are compared by: of these very weights, by `cw-1`, at 128."""
    checkpoint = checkpoints.open_folder(folder)
    if checkpoint is None:
        return []
    return [
        row
        for row in read_all([folder.parent])
        if (row.model, row.revision) == (checkpoint.name, checkpoint.revision)
        and (row.protocol, row.size) == ("cw-1", JUDGED_AT)
    ]


def average_run(run_folder: Path, base: Checkpoint, share: float) -> str:
    """Replace a run's weights by their mean with those it began from; returns a sentence.

    After Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022): the straight line
    between both is often nearer than either end, and less lost on pictures unlike the training's.
    share: of the run's own weights, 0 to 1. Where the run has a change of low rank that the base
    has not, the change is scaled; anything else that is new stays. Raises Problem when the run did
    not begin from the base.
    """
    if not 0 <= share <= 1:
        raise Problem(f"--share {share:g}: a number from 0 (the base) to 1 (the run) is needed.")
    run = checkpoints.find(str(run_folder))
    if run.config.get("from") != base.revision:
        raise Problem(
            f"{run_folder} began from {run.config.get('from') or 'nothing'}, and {base.name} is "
            f"{base.revision}: only weights that one began from can be averaged with the other."
        )
    net = run.net()
    state, elsewhere = net.state_dict(), stored_elsewhere(net)
    known = pick_fitting(base.net(), net)
    for key, value in state.items():
        if not value.is_floating_point() or key.startswith(elsewhere):
            continue
        if key in known:
            state[key] = (1 - share) * known[key] + share * value
        elif key.endswith(CHANGE):
            state[key] = share * value
    net.load_state_dict(state)
    about = {"with": base.revision, "share": share}
    config = checkpoints.save(net, run.folder, {**run.config, "averaged": about})
    return (
        f"{run_folder}: {share:g} of its own weights, the rest of {base.name}'s; revision "
        f"{config['revision']}"
    )


def adopt_run(run_folder: Path, root: Path, always: bool = False) -> str:
    """Put a run where the bundled weights are, when it scores better there; returns a sentence.

    Better: a higher mean PSNR at 128 over the data sets that both have scores of. A model that is
    not bundled yet is taken.
    """
    name, target = run_folder.name, root / run_folder.name
    new, old = own_scores(run_folder), []
    if not new and not always:
        raise Problem(f"{run_folder} has no scores yet: evaluate it first.")
    if (target / "config.json").is_file():
        old = own_scores(target)
    shared = {row.dataset for row in new} & {row.dataset for row in old}
    means = [
        summaries.lines([row for row in rows if row.dataset in shared], [JUDGED_BY])
        for rows in (new, old)
    ]
    compared = ""
    if shared:
        after, before = (lines[0].means[JUDGED_BY].value for lines in means)
        compared = f": {after:.2f} dB, {before:.2f} dB before, over {len(shared)} data sets"
        if after <= before and not always:
            return f"{name} stays{compared}."
    target.mkdir(parents=True, exist_ok=True)
    for pattern in PARTS:
        for stale in target.glob(pattern):
            stale.unlink()
        for file in sorted(run_folder.glob(pattern)):
            place = target / file.relative_to(run_folder)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, place)
    shutil.copyfile(run_folder / "config.json", target / "config.json")
    return f"{name} is taken{compared}."
