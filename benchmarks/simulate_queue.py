"""How long visitors wait: `python -m benchmarks.simulate_queue [--visitors 1000] [--json]`.

Every bundled network colours photographs of several sizes, each timed; these times are then the
service times of a simulated day at a hosted workbench: visitors arrive at random (Poisson), each
stays with one replica, as a browser's connection does, colours `--pictures` pictures and looks at
each for a while (exponential, `--look` seconds). A replica makes one picture at a time, first
come, first served, as `serving/studio.py` does. With `--seconds` the times are given, not measured.

It prints, for each number of replicas, how busy they are and what a visitor waits before the own
picture is begun. Nothing but the queue is simulated: no network, no upload, no page.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.cli import print_rows

SIDES = (512, 1000, 2000, 3500)  # pixels a side of what visitors drop: a web picture to a phone's
SHARES = (0.35, 0.3, 0.2, 0.15)  # how often: our guess
WARM_UP = 0.1  # share of the visitors that find an emptier house than usual: not counted


@dataclass(frozen=True)
class Waits:
    """What the visitors of a simulated day waited, in seconds, and how busy the replicas were."""

    seconds: np.ndarray
    busy: float

    def row(self, replicas: int) -> dict[str, object]:
        """A line of the table."""
        median, most, nearly_all = np.quantile(self.seconds, (0.5, 0.95, 0.99))
        return {
            "replicas": replicas,
            "busy": f"{self.busy:.0%}",
            "median wait s": round(float(median), 2),
            "95 % s": round(float(most), 2),
            "99 % s": round(float(nearly_all), 2),
            "over 5 s": f"{(self.seconds > 5).mean():.1%}",
        }


def simulate(
    service: Sequence[Sequence[float]], shares: Sequence[float], visitors_per_hour: float,
    replicas: int, pictures: int = 4, look: float = 20.0, hours: float = 20.0, seed: int = 0,
) -> Waits:  # fmt: skip
    """Waits of `hours` with so many visitors an hour.

    service: for each kind of picture the seconds it was seen to take; shares: how often each kind
    is dropped.
    """
    rng = np.random.default_rng(seed)
    count = max(1, round(visitors_per_hour * hours))
    arrivals = np.sort(rng.uniform(0, 3600 * hours, count))
    # (moment at which a picture is dropped, visitor, how many more follow)
    events = [(float(moment), visitor, pictures - 1) for visitor, moment in enumerate(arrivals)]
    heapq.heapify(events)
    free = np.zeros(replicas)  # when each replica has done all that it was given
    worked, waits = 0.0, []
    while events:
        moment, visitor, more = heapq.heappop(events)
        kind = rng.choice(len(shares), p=shares)
        taken = float(rng.choice(service[kind]))
        begun = max(moment, free[visitor % replicas])
        free[visitor % replicas] = begun + taken
        worked += taken
        if visitor >= WARM_UP * count:
            waits.append(begun - moment)
        if more:
            looked = begun + taken + float(rng.exponential(look))
            heapq.heappush(events, (looked, visitor, more - 1))
    return Waits(np.array(waits), worked / (replicas * max(3600 * hours, free.max())))


def measure_service(rounds: int) -> list[list[float]]:
    """Seconds from bytes to all networks' pictures, for each of SIDES, warm."""
    from benchmarks.bench import photograph
    from workbench import checkpoints
    from workbench.coloring.colorize import colorize_all
    from workbench.images import encode_for_screen, open_image

    nets = {name: (each.net(), each.size) for name, each in checkpoints.available().items()}
    found = []
    for side in SIDES:
        data, times = photograph(side), []
        for _ in range(rounds + 1):  # the first is a warm-up
            begun = time.perf_counter()
            for _, result in colorize_all(nets, open_image(data, "photo.jpg").rgb):
                encode_for_screen(result.rgb, 1600)
            times.append(time.perf_counter() - begun)
        found.append(times[1:])
    return found


def main() -> None:
    """Print the times, then the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--visitors", type=float, default=1000, help="an hour")
    parser.add_argument("--pictures", type=int, default=4, help="each visitor colours")
    parser.add_argument("--look", type=float, default=20, help="seconds at each, on average")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8])
    parser.add_argument("--seconds", type=float, nargs=len(SIDES), help=f"for sides of {SIDES}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    service = [[each] for each in asked.seconds] if asked.seconds else measure_service(asked.rounds)
    if not asked.json:
        for side, share, times in zip(SIDES, SHARES, service, strict=True):
            print(f"{share:.0%} of {side} x {side}: {np.median(times):.2f} s, all networks")
    rows = [
        simulate(service, SHARES, asked.visitors, count, asked.pictures, asked.look).row(count)
        for count in asked.replicas
    ]
    print_rows(rows, asked.json)


if __name__ == "__main__":
    main()
