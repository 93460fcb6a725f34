"""The state to go on from: a snapshot, written beside the steps, in shards with checksums."""

import io
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.errors import Problem
from workbench.models import MODELS
from workbench.training import state

CPU = torch.device("cpu")


def trained_recipe() -> nn.Module:
    recipe = MODELS["cbam_gan"].recipe(MODELS["cbam_gan"].build(width=0.125, classes=3), 64).train()
    L, ab = torch.rand(2, 1, 32, 32) * 100, torch.rand(2, 2, 32, 32) * 60
    for name, loss in recipe.losses(L, ab, torch.tensor([0, -1])):
        recipe.optimizers[name].zero_grad()
        loss.backward()
        recipe.optimizers[name].step()
    return recipe


def state_of(recipe: nn.Module, seen: int) -> dict:
    optimizers = {name: each.state_dict() for name, each in recipe.optimizers.items()}
    return {"identity": {"data": "x"}, "seen": seen, "seconds": 1.5,
            "recipe": recipe.state_dict(), "optimizers": optimizers}  # fmt: skip


def saved_at_once(kept: dict) -> dict:
    buffer = io.BytesIO()
    torch.save(kept, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def assert_same(first, second) -> None:
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert (first.dtype, first.stride()) == (second.dtype, second.stride())
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    else:
        assert first == second


def numbers(seen: int, count: int = 1000) -> dict:
    return {"seen": seen, "identity": {}, "values": torch.full((count,), float(seen))}


def test_what_is_kept_is_bit_for_bit_what_a_save_at_that_image_would_be(tmp_path):
    recipe = trained_recipe().to(memory_format=torch.channels_last)
    expected = saved_at_once(state_of(recipe, 40))
    keeper = state.Keeper(tmp_path, shard_bytes=100_000)
    keeper.keep(state_of(recipe, 40))
    with torch.no_grad():  # the steps go on while it is written
        for value in [*recipe.parameters(), *recipe.buffers()]:
            value.zero_()
    keeper.close()
    assert_same(state.load_state(tmp_path, CPU), expected)
    files = list((tmp_path / state.SHARDS).iterdir())
    assert len(files) > 3
    assert max(file.stat().st_size for file in files) <= 100_000


def test_a_state_takes_the_place_of_the_one_before_and_a_run_that_is_done_has_none(tmp_path):
    keeper = state.Keeper(tmp_path, shard_bytes=1500)
    for seen in (8, 16):
        keeper.keep(numbers(seen))
    keeper.close()
    assert state.load_state(tmp_path, CPU)["seen"] == 16
    shards = state.read_manifest(tmp_path)["shards"]
    assert {file.name for file in (tmp_path / state.SHARDS).iterdir()} == set(shards)
    state.finish_state(tmp_path, 24, {}, {"revision": "abc"})
    assert state.load_state(tmp_path, CPU) is None
    assert not (tmp_path / state.SHARDS).exists()
    assert state.read_manifest(tmp_path)["result"] == {"revision": "abc"}


def test_a_broken_or_missing_shard_is_named(tmp_path):
    state.write_state(tmp_path, numbers(8), shard_bytes=1500)
    shard = sorted((tmp_path / state.SHARDS).iterdir())[1]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Problem, match=f"{shard.name} is damaged .its checksum is another"):
        state.load_state(tmp_path, CPU)
    shard.unlink()
    with pytest.raises(Problem, match=f"{shard.name} is damaged .No such file"):
        state.load_state(tmp_path, CPU)


def test_what_the_thread_meets_reaches_the_trainer_and_the_last_state_stays(tmp_path, monkeypatch):
    keeper = state.Keeper(tmp_path)
    keeper.keep(numbers(8))
    keeper.wait()

    def refuse(folder: Path, contents: dict) -> None:
        raise Problem("No space left.")

    monkeypatch.setattr(state, "write_whole", refuse)
    keeper.keep(numbers(16))
    with pytest.raises(Problem, match="No space left"):
        keeper.close()
    assert state.load_state(tmp_path, CPU)["seen"] == 8


def test_a_save_waits_for_the_one_before_it_and_the_steps_do_not(tmp_path, monkeypatch):
    go_on, written = threading.Event(), []
    real = state.write_state

    def slow(folder: Path, kept: dict, shard_bytes: int) -> None:
        assert go_on.wait(10)
        real(folder, kept, shard_bytes)
        written.append(kept["seen"])

    monkeypatch.setattr(state, "write_state", slow)
    keeper = state.Keeper(tmp_path)
    keeper.keep(numbers(8))
    assert written == []  # it returned before anything was written
    threading.Timer(0.1, go_on.set).start()
    keeper.keep(numbers(16))
    assert written[:1] == [8]
    keeper.close()
    assert written == [8, 16]


def test_a_state_of_one_file_is_read_and_gives_way_to_shards(tmp_path):
    (tmp_path / "training").mkdir()
    torch.save(numbers(8), tmp_path / state.SINGLE)
    assert state.has_state(tmp_path)
    assert_same(state.load_state(tmp_path, CPU), saved_at_once(numbers(8)))
    state.write_state(tmp_path, numbers(16))
    assert not (tmp_path / state.SINGLE).exists()
    assert state.load_state(tmp_path, CPU)["seen"] == 16
    (tmp_path / state.MANIFEST).unlink()
    (tmp_path / state.SINGLE).write_bytes(b"cut off")
    with pytest.raises(Problem, match=r"state\.pt is damaged"):
        state.load_state(tmp_path, CPU)
