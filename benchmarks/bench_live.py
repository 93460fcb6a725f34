"""A live class on one server. `python -m benchmarks.bench_live [--students N] [--questions N]`.

N students, each as one phone would be (message by message, looking every second whether the
teacher has gone on), and a teacher's screen that counts. Measured: how long after the teacher's
click a phone has the question, and how long it takes until its answer is kept.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Barrier

from tests.browser import serving
from tests.visitors import Visitor, visiting
from workbench.cli import print_rows
from workbench.study import live, rendering
from workbench.study.tables import Study
from workbench.study.votes import Votes

QUESTION = "workbench_question"
TICK = 1.0  # seconds between two looks, as in ui/live.py
THINKS = (2.0, 8.0)  # seconds that a student looks at a question, at least and at most


def answer(visitor: Visitor) -> None:
    """Vote for A."""
    said = {"choice": "left", "shown_at": 1.0, "answered_at": 901.0, "dwell_ms": 900.0}
    said |= {"exposures_ms": [], "viewport": "390x844x3"}
    visitor.send(QUESTION, "answer", said | {"token": visitor.data(QUESTION)["token"]})


def sit(address: str, votes: Votes, study: Study, questions: int, room: Barrier, clicks: list,
        took: dict[str, list[float]], seed: int) -> None:  # fmt: skip
    """One student, from joining to the last answer; what took how long goes into `took`."""
    code = votes.add_rater(study, "consent", "unsaid").code
    random = Random(seed)
    query = f"code={live.code_of(study)}&rater={code}"
    with visiting(address, "live", query) as visitor:
        begun = time.monotonic()
        visitor.look()
        took["opens the page"].append(time.monotonic() - begun)
        for number in range(questions):
            room.wait()  # the teacher clicks
            came = False
            time.sleep(random.uniform(0, TICK))
            while not came:
                came = visitor.tick()
                if not came:
                    time.sleep(TICK)
            took["has the question after the click"].append(time.monotonic() - clicks[number])
            time.sleep(random.uniform(*THINKS))
            begun = time.monotonic()
            answer(visitor)
            took["has its answer kept"].append(time.monotonic() - begun)
            room.wait()  # everybody has voted; the teacher closes the vote


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    names = ("opens the page", "has the question after the click", "has its answer kept")
    took: dict[str, list[float]] = {name: [] for name in names}
    clicks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_STUDIES"] = folder
        os.environ.pop("WORKBENCH_DATABASE_URL", None)
        votes = Votes()
        painters = {"as-it-is@1": lambda rgb: rgb, "rotated@1": rendering.rotate_to_purple}
        study = live.make_class(votes, "pair", questions=asked.questions, painters=painters)
        room = Barrier(asked.students + 1)
        with (
            serving(Path(folder) / "server.log") as address,
            ThreadPoolExecutor(asked.students) as phones,
        ):
            sitting = [
                phones.submit(sit, address, votes, study, asked.questions, room, clicks, took, seed)
                for seed in range(asked.students)
            ]
            for each in sitting:
                each.add_done_callback(lambda done: done.exception() and room.abort())
            for _ in range(asked.questions):
                clicks.append(0.0)
                while room.n_waiting < asked.students:
                    time.sleep(0.05)
                live.advance(votes, votes.study(study.name))
                clicks[-1] = time.monotonic()
                room.wait()
                room.wait()
                live.advance(votes, votes.study(study.name))
            for each in sitting:
                each.result()
        kept = len(votes.rows(study))
        votes.close()
    rows = [
        {
            "students": asked.students,
            "a phone": name,
            "times": len(each),
            "median ms": round(1000 * statistics.median(each)),
            "95 % ms": round(1000 * statistics.quantiles(each, n=20)[-1]),
            "most ms": round(1000 * max(each)),
        }
        for name, each in took.items()
    ]
    print_rows(rows, asked.json)
    if not asked.json:
        print(f"{kept} votes kept of {asked.students * asked.questions}")


if __name__ == "__main__":
    main()
