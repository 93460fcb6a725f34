"""Several networks at once, each on one thread of the processor."""

import threading

import pytest
import torch

from workbench.coloring.together import run_at_once, threads_of_torch


@pytest.fixture
def two_threads():
    """Torch with two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_elsewhere() -> int:
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_several_works_run_on_one_thread_each_and_come_back_in_order(two_threads):
    meet = threading.Barrier(2, timeout=30)  # two of them are there at the same time

    def work(number: int) -> tuple[int, int]:
        meet.wait()
        return number, torch.get_num_threads()

    found = run_at_once([lambda number=number: work(number) for number in range(4)])
    assert found == [(number, 1) for number in range(4)]
    assert torch.get_num_threads() == threads_elsewhere() == 2


def test_a_single_work_has_all_threads(two_threads):
    assert run_at_once([torch.get_num_threads]) == [2]
    assert run_at_once([]) == []


def test_an_error_of_one_work_is_raised(two_threads):
    def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_at_once([broken, torch.get_num_threads])


def test_threads_are_given_back_after_an_error(two_threads):
    def fail() -> None:
        with threads_of_torch(1):
            assert torch.get_num_threads() == 1
            assert threads_elsewhere() == 2
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert torch.get_num_threads() == 2


def test_a_picture_is_coloured_alike_alone_and_beside_others(two_threads):
    from workbench.coloring.colorize import Settings, colorize, colorize_all
    from workbench.models import MODELS

    torch.manual_seed(0)
    nets = {
        name: (MODELS[name].build(width=0.125).eval(), 32)
        for name in ("vanilla_cnn", "colorful", "attention_pix2pix")
    }
    rgb = torch.randint(0, 255, (3, 40, 60), generator=torch.manual_seed(1)).to(torch.uint8)
    together = dict(colorize_all(nets, rgb, Settings(exact=True)))
    for name, (net, size) in nets.items():
        alone = colorize(net, rgb, Settings(exact=True), size).rgb
        assert (together[name].rgb.int() - alone.int()).abs().max() <= 1
