"""The folder of a model: what is saved is what is loaded, or a sentence says why not."""

import hashlib
import json
import subprocess
import sys

import pytest
import torch

from workbench import checkpoints, places, writing
from workbench.coloring.colorize import Settings, predict_ab
from workbench.errors import Problem
from workbench.models import MODELS

CONFIG = {
    "model": "vanilla_cnn", "width": 0.125, "options": {}, "size": 64, "images_seen": 0,
    "trained_on": ["nothing"], "classes": [],
}  # fmt: skip


@pytest.fixture
def net():
    torch.manual_seed(0)
    return MODELS["vanilla_cnn"].build(width=0.125).eval()


def saved(net, folder, **kwargs):
    return checkpoints.save(net, folder, CONFIG, **kwargs)


def test_the_gain_of_weights_is_in_every_colour_and_in_the_revision(net, tmp_path):
    saved(net, tmp_path / "a")
    plain = checkpoints.open_folder(tmp_path / "a")
    checkpoints.set_gain(plain, 1.5)
    bold = checkpoints.open_folder(tmp_path / "a")
    assert (bold.gain, bold.net().gain) == (1.5, 1.5)
    assert bold.revision != plain.revision
    L = torch.rand(1, 1, 64, 64) * 100
    for settings in (Settings(), Settings(mirror=True), Settings(size=32)):
        ab = predict_ab(plain.net(), L, 64, settings)
        assert (predict_ab(bold.net(), L, 64, settings) - 1.5 * ab).abs().max() < 1e-3
        assert ab.abs().max() > 0.1
    checkpoints.set_gain(bold, 1.0)
    assert checkpoints.open_folder(tmp_path / "a").revision == plain.revision


def test_a_gain_that_is_none_is_refused(net, tmp_path):
    saved(net, tmp_path / "a")
    with pytest.raises(Problem, match="0 to 10"):
        checkpoints.set_gain(checkpoints.open_folder(tmp_path / "a"), 11.0)
    config = json.loads((tmp_path / "a/config.json").read_text("utf-8"))
    (tmp_path / "a/config.json").write_text(json.dumps({**config, "gain": "a lot"}), "utf-8")
    with pytest.raises(Problem, match="a lot"):
        checkpoints.open_folder(tmp_path / "a").net()


def test_a_saved_network_comes_back_in_half_precision(net, tmp_path):
    saved(net, tmp_path / "a")
    loaded = checkpoints.open_folder(tmp_path / "a").net()
    for name, value in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_no_part_of_any_loaded_network_is_left_without_values(name, small_checkpoints):
    loaded = checkpoints.available(small_checkpoints)[name].net()
    tensors = [*loaded.parameters(), *loaded.buffers()]
    assert not any(t.is_meta for t in tensors)
    with torch.inference_mode():
        assert torch.isfinite(loaded(torch.rand(1, 1, 32, 40) * 100)).all()


def test_loading_the_bundled_networks_does_not_wait_for_torchs_compiler():
    code = (
        "import sys; from workbench import checkpoints\n"
        "for name, found in checkpoints.available().items():\n"
        "    found.net(); assert 'torch._dynamo' not in sys.modules, name\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_comes_with_the_workbench_is_at_most_100_megabytes():
    files = [path for path in places.CHECKPOINTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 100e6


def test_shards_are_at_most_as_large_as_asked_and_load_the_same(net, tmp_path):
    config = saved(net, tmp_path / "a", shard_bytes=120_000)
    files = sorted((tmp_path / "a").glob("model-*.safetensors"))
    assert len(files) == len(config["files"]) > 1
    assert all(file.stat().st_size <= 120_000 for file in files)
    index = json.loads((tmp_path / "a" / checkpoints.INDEX).read_text())
    assert set(index["weight_map"]) == set(net.state_dict())
    loaded = checkpoints.open_folder(tmp_path / "a").net()
    assert set(loaded.state_dict()) == set(net.state_dict())


def test_saving_again_leaves_no_stale_shards(net, tmp_path):
    saved(net, tmp_path / "a", shard_bytes=120_000)
    saved(net, tmp_path / "a")
    assert [f.name for f in (tmp_path / "a").glob("model*")] == ["model.safetensors"]


def test_the_revision_changes_with_a_weight_and_only_then(net, tmp_path):
    first = saved(net, tmp_path / "a")["revision"]
    assert saved(net, tmp_path / "b")["revision"] == first
    with torch.no_grad():
        net.encoder[0].bias[0] += 1
    assert saved(net, tmp_path / "c")["revision"] != first


def test_a_damaged_file_is_named(net, tmp_path):
    saved(net, tmp_path / "a")
    path = tmp_path / "a" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Problem, match=r"model\.safetensors.*SHA-256"):
        checkpoints.open_folder(tmp_path / "a").net()


def test_a_missing_file_is_named(net, tmp_path):
    saved(net, tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").unlink()
    with pytest.raises(Problem, match=r"model\.safetensors cannot be read"):
        checkpoints.open_folder(tmp_path / "a").net()


@pytest.mark.parametrize(("change", "word"), [("drop", "missing"), ("add", "surplus")])
def test_a_missing_or_surplus_key_is_named(net, tmp_path, change, word):
    state = net.state_dict()
    if change == "drop":
        del net.encoder[3].bias
    else:
        net.register_buffer("extra", torch.zeros(1))
    assert state
    saved(net, tmp_path / "a")
    with pytest.raises(Problem, match=f"{word} '(encoder.3.bias|extra)'"):
        checkpoints.open_folder(tmp_path / "a").net()


def test_weights_of_another_width_are_refused(net, tmp_path):
    checkpoints.save(net, tmp_path / "a", {**CONFIG, "width": 0.25})
    with pytest.raises(Problem, match="another shape"):
        checkpoints.open_folder(tmp_path / "a").net()


BROKEN = {
    "half": "{",
    "a list": "[1, 2]",
    "deep": "[" * 100_000,
    "no text": b"\xff\xfe\0",
    "width": {"width": "wide"},
    "too wide": {"width": 1e9},
    "no width": {"width": None},
    "size": {"size": 12.5},
    "a way up": {"files": {"../../secret.safetensors": "0" * 64}},
    "no files": {"files": {}},
    "files of numbers": {"files": {"model.safetensors": 7}},
    "revision": {"revision": 5},
    "options": {"options": [1]},
    "trained on": {"trained_on": "me"},
    "machine": {"machine": "fast"},
    "averaged": {"averaged": {"with": 5, "share": 0.5}},
    "seen": {"images_seen": "many"},
    "model": {"model": "nonesuch"},
    "model of a list": {"model": []},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_config_is_passed_over_and_named_and_the_rest_is_there(net, tmp_path, broken):
    saved(net, tmp_path / "sound")
    config = saved(net, tmp_path / "a")
    content = BROKEN[broken]
    if isinstance(content, dict):
        content = json.dumps({**config, **content})
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "a" / "config.json").write_bytes(data)
    found, complaints = checkpoints.scan(tmp_path)
    assert list(found) == ["sound"]
    (complaint,) = complaints
    assert str(tmp_path / "a" / "config.json") in complaint
    with pytest.raises(Problem, match=r"config\.json"):
        checkpoints.open_folder(tmp_path / "a")


def test_another_programs_config_is_no_checkpoint_and_no_complaint(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text('{"model": "llama"}')
    assert checkpoints.scan(tmp_path) == ({}, [])


@pytest.mark.parametrize("options", [{"nonesuch": 1}, {"classes": "many"}, {"classes": -5}])
def test_options_that_no_network_has_are_a_sentence(net, tmp_path, options):
    checkpoints.save(net, tmp_path / "a", {**CONFIG, "options": options})
    with pytest.raises(Problem, match=r"cannot be built|do not fit|another shape"):
        checkpoints.open_folder(tmp_path / "a").net()


def test_weights_that_are_no_safetensors_are_a_sentence_though_their_sum_is_right(net, tmp_path):
    config = saved(net, tmp_path / "a")
    data = b"\xff" * 300
    (tmp_path / "a" / "model.safetensors").write_bytes(data)
    config["files"] = {"model.safetensors": hashlib.sha256(data).hexdigest()}
    (tmp_path / "a" / "config.json").write_text(json.dumps(config))
    with pytest.raises(Problem, match="are damaged"):
        checkpoints.open_folder(tmp_path / "a").net()


def test_a_full_disk_keeps_the_old_checkpoint_whole(net, tmp_path, monkeypatch):
    first = saved(net, tmp_path / "a")
    with torch.no_grad():
        net.encoder[0].bias += 1

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(Problem, match="No space left on device"):
        saved(net, tmp_path / "a")
    monkeypatch.undo()
    kept = checkpoints.open_folder(tmp_path / "a")
    assert kept.revision == first["revision"]
    kept.net()
    assert not list((tmp_path / "a").glob("*.part"))


def test_an_unknown_name_says_what_there_is(small_checkpoints, monkeypatch):
    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    with pytest.raises(Problem, match="There are: cbam_gan, inception_attention"):
        checkpoints.find("nonesuch")


def test_the_registrys_order_comes_first(small_checkpoints):
    assert list(checkpoints.available(small_checkpoints)) == list(MODELS)
