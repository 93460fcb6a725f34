"""How many answers a study takes. `python -m benchmarks.bench_study [--raters N] [--seconds S]`.

N raters at once answer as fast as they are asked: through the pages of a server (each as one
browser would, message by message), and beside it by calls into the same kind of database, which
is the bound that the pages cannot pass.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.browser import serving
from tests.visitors import visiting
from workbench.cli import print_rows
from workbench.study import plans, rendering, trials
from workbench.study.tables import Study
from workbench.study.votes import Answer, Votes

ANSWER = Answer("left", shown_at=1.0, answered_at=901.0, dwell_ms=900.0)


@contextmanager
def by_page(address: str, study: Study, votes: Votes) -> Iterator[Callable[[], None]]:
    """A rater in a window of their own: a function that answers one question."""
    code = votes.add_rater(study, "consent", "normal").code
    with visiting(address, "study", f"study={study.name}&rater={code}") as visitor:
        visitor.look()

        def answer() -> None:
            said = {name: getattr(ANSWER, name) for name in ("choice", "shown_at", "answered_at")}
            said |= {"dwell_ms": ANSWER.dwell_ms, "exposures_ms": [], "viewport": "400x600x1"}
            token = visitor.data("workbench_question")["token"]
            visitor.send("workbench_question", "answer", said | {"token": token})

        yield answer


@contextmanager
def by_call(address: str, study: Study, votes: Votes) -> Iterator[Callable[[], None]]:
    """A rater without a window."""
    rater = votes.add_rater(study, "consent", "normal")

    def answer() -> None:
        question = trials.next_question(votes, study, rater)
        trials.answer(votes, study, rater, question.token, ANSWER)

    yield answer


def measure_answers(rater: Callable, raters: int, seconds: float, *where: object) -> list[float]:
    """The seconds that each answer took, of all raters together."""

    def stay(_: int) -> list[float]:
        took = []
        with rater(*where) as answer:
            answer()
            end = time.monotonic() + seconds
            while (begun := time.monotonic()) < end:
                answer()
                took.append(time.monotonic() - begun)
        return took

    with ThreadPoolExecutor(raters) as room:
        return [took for each in room.map(stay, range(raters)) for took in each]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raters", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_STUDIES"] = folder
        os.environ.pop("WORKBENCH_DATABASE_URL", None)
        votes = Votes()
        plan = plans.Plan(name="bench", size=256, trials=1000, practice=0, catch=0,
                          minimum_dwell_ms=0, limit=5)  # fmt: skip
        painters = {"as-it-is@1": lambda rgb: rgb, "rotated@1": rendering.rotate_to_purple}
        rendering.make_study(votes, plan, painters=painters)
        rendering.open_study(votes, plan.name)
        with serving(Path(folder) / "server.log") as address:
            for name, rater in {"through the pages": by_page, "by calls": by_call}.items():
                where = (address, votes.study("bench"), votes)
                took = measure_answers(rater, asked.raters, asked.seconds, *where)
                rows.append({
                    "raters": asked.raters,
                    "way": name,
                    "answers/s": round(len(took) / asked.seconds, 1),
                    "median ms": round(1000 * statistics.median(took)),
                    "95 % ms": round(1000 * statistics.quantiles(took, n=20)[-1]),
                })  # fmt: skip
        votes.close()
    print_rows(rows, asked.json)


if __name__ == "__main__":
    main()
