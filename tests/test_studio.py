"""What visitors share: a network is loaded once, several side by side."""

import threading
from types import SimpleNamespace

import torch

from workbench.serving.studio import Studio


def checkpoint(name: str, load) -> SimpleNamespace:
    return SimpleNamespace(name=name, revision="0", size=32, net=load)


def test_two_networks_are_loaded_side_by_side():
    both = threading.Barrier(2, timeout=30)

    def load() -> torch.nn.Module:
        both.wait()  # broken when the other one waits for this one
        return torch.nn.Identity()

    studio, found = Studio(), []
    threads = [
        threading.Thread(target=lambda each=each: found.append(studio.network(each)))
        for each in (checkpoint("one", load), checkpoint("other", load))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2


def test_a_network_that_several_ask_for_is_loaded_once():
    loaded, asked = [], threading.Event()

    def load() -> torch.nn.Module:
        loaded.append(torch.nn.Identity())
        asked.wait(0.2)
        return loaded[-1]

    studio, one = Studio(), checkpoint("one", load)
    threads = [threading.Thread(target=studio.network, args=(one,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert studio.network(one) is loaded[0]
