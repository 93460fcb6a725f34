"""The simulated queue gives what queueing theory says where theory has a formula."""

import pytest

from benchmarks.simulate_queue import simulate


def test_one_replica_with_constant_times_waits_as_pollaczek_and_khinchine_say():
    service, rate = 1.0, 0.6  # seconds, arrivals a second: 60 % busy
    waits = simulate([[service]], [1.0], 3600 * rate, replicas=1, pictures=1, hours=60)
    expected = rate * service**2 / (2 * (1 - rate * service))  # M/D/1
    assert waits.busy == pytest.approx(0.6, rel=0.03)
    assert waits.seconds.mean() == pytest.approx(expected, rel=0.1)


def test_more_replicas_wait_less_and_an_overloaded_house_waits_longer_and_longer():
    few, more = (simulate([[0.5], [3.0]], [0.8, 0.2], 2000, count) for count in (3, 6))
    assert more.seconds.mean() < few.seconds.mean()
    late = simulate([[4.0]], [1.0], 2000, replicas=2, hours=2)
    assert (late.seconds > 5).mean() > 0.9
    assert late.row(2)["over 5 s"] == "100.0%"
