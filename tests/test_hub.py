"""Publishing and fetching, with the real client against a Hub on the loopback.

Each command runs in a process of its own, because the client reads HF_ENDPOINT when imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_repos import Blob, Repo
from hub_server import READ_ONLY, TOKEN, LoopbackHub, loopback_hub

from workbench import hub
from workbench.errors import Problem
from workbench.hub.model_folder import model_files
from workbench.models import MODELS

__all__ = ["loopback_hub"]
ROOT = Path(__file__).resolve().parent.parent
CARD = "---\nlicense: other\ntags: [colorization]\n---\n# A small model\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder: two shards of weights, card, scores, log, film-strip."""
    folder = tmp_path / "tiny"
    (folder / "scores").mkdir(parents=True)
    (folder / "strip").mkdir()
    shards = {f"model-0000{i}-of-00002.safetensors": bytes([i]) * 100_000 for i in (1, 2)}
    for name, data in shards.items():
        (folder / name).write_bytes(data)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    (folder / "README.md").write_text(CARD)
    (folder / "scores" / "kodak.csv").write_text("picture,psnr\na,20.0\n")
    (folder / "log.jsonl").write_text('{"seen": 1}\n')
    (folder / "strip" / "000001.webp").write_bytes(bytes(range(256)))
    write_config(folder)
    return folder


def write_config(folder: Path, **fields: object) -> None:
    sums = {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.glob("*.safetensors")
    }
    config = {"model": "vanilla_cnn", "revision": "abcdef012345", "files": sums, **fields}
    (folder / "config.json").write_text(json.dumps(config))


def contents(folder: Path) -> dict[str, bytes]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != "fetched.json")
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


class Shell:
    """`python -m workbench ...` in an environment whose Hub is the loopback one."""

    def __init__(self, loopback: LoopbackHub, home: Path) -> None:
        self.loopback, self.home = loopback, home

    def __call__(
        self, *words: object, token: str | None = TOKEN, limit: int | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workbench", *map(str, words)]
        if limit:  # no file may grow beyond so many KiB: the disk is full
            command = ["bash", "-c", f'ulimit -f {limit}; exec "$@"', "bash", *command]
        env = {**self.loopback.environment(self.home, token), **env}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        assert TOKEN not in done.stdout + done.stderr
        return done

    def works(self, *words: object, **how) -> dict:
        done = self(*words, "--json", **how)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0]

    def fails(self, *words: object, **how) -> str:
        done = self(*words, **how)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def shell(loopback_hub: LoopbackHub, tmp_path: Path) -> Shell:
    return Shell(loopback_hub, tmp_path / "home")


def test_what_is_published_comes_back_bit_by_bit(loopback_hub, shell, model):
    (model / "training").mkdir()
    (model / "training" / "state.pt").write_bytes(b"to resume")
    (model / ".half.tmp").write_bytes(b"not written yet")
    sent = shell.works("publish", model, "--repo", "ada/tiny")
    came = shell.works("fetch", "ada/tiny")

    (model / "training" / "state.pt").unlink()
    (model / ".half.tmp").unlink()
    assert contents(Path(came["folder"])) == contents(model)
    assert came["commit"] == sent["commit"] == loopback_hub.repo("ada/tiny").commits[-1].oid
    assert Path(came["folder"]) == shell.home / "cache" / "hub" / "ada--tiny"


def test_a_fetched_model_is_listed_beside_the_bundled_ones_and_loads(
    loopback_hub, shell, small_checkpoints, tmp_path, monkeypatch
):
    from workbench import checkpoints, places
    from workbench.publishing import cards

    folder = tmp_path / "vanilla_cnn"
    shutil.copytree(small_checkpoints / folder.name, folder)
    cards.write_card(checkpoints.open_folder(folder))
    shell.works("publish", folder, "--repo", "ada/tiny")
    shell.works("fetch", "ada/tiny")

    monkeypatch.setenv("WORKBENCH_CACHE", str(shell.home / "cache"))
    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    monkeypatch.setattr(places, "RUNS", tmp_path / "none")
    listed = checkpoints.available()
    assert list(listed)[-1] == "ada--tiny"
    assert len(listed) == len(MODELS) + 1
    assert listed["ada--tiny"].revision == listed["vanilla_cnn"].revision
    assert hub.list_fetched() == {"ada/tiny": listed["ada--tiny"].folder}
    weights, same = (listed[name].net().state_dict() for name in ("ada--tiny", "vanilla_cnn"))
    assert all(value.equal(same[key]) for key, value in weights.items())


def test_publishing_is_one_commit_and_a_tag(loopback_hub, shell, model):
    sent = shell.works("publish", model, "--repo", "ada/tiny", "--private")
    repo = loopback_hub.repo("ada/tiny")
    assert repo.private
    assert [commit.title for commit in repo.commits[1:]] == ["Publish vanilla_cnn abcdef012345"]
    assert repo.tags == {"abcdef012345": sent["commit"]}
    assert all(
        blob.large == path.endswith((".safetensors", ".webp"))
        for path, blob in repo.commits[-1].files.items()
    )


def test_publishing_the_same_again_makes_no_commit(loopback_hub, shell, model):
    first = shell.works("publish", model, "--repo", "ada/tiny")
    assert shell.works("publish", model, "--repo", "ada/tiny") == first
    assert len(loopback_hub.repo("ada/tiny").commits) == 2


def test_a_new_version_removes_the_old_shards_and_keeps_what_is_not_ours(
    loopback_hub, shell, model
):
    first = shell.works("publish", model, "--repo", "ada/tiny")
    repo = loopback_hub.repo("ada/tiny")
    repo.add("a note by hand", {**repo.commits[-1].files, "NOTES.txt": Blob(b"mine", False)})
    (model / "model-00002-of-00002.safetensors").unlink()
    write_config(model)
    second = shell.works("publish", model, "--repo", "ada/tiny")

    assert "model-00002-of-00002.safetensors" not in repo.files
    assert repo.files["NOTES.txt"] == b"mine"
    assert (first["tag"], second["tag"]) == ("abcdef012345", "abcdef012345-2")

    old = shell.works("fetch", f"ada/tiny@{first['tag']}")  # a tag still names the old weights
    assert old["commit"] == first["commit"]
    assert "model-00002-of-00002.safetensors" in contents(Path(old["folder"]))
    new = shell.works("fetch", f"ada/tiny@{second['commit']}")
    assert contents(Path(new["folder"])) == contents(model)


def test_a_commit_that_is_here_is_not_asked_for_again(loopback_hub, shell, model):
    commit = shell.works("publish", model, "--repo", "ada/tiny")["commit"]
    came = shell.works("fetch", "ada/tiny")
    loopback_hub.seen.clear()
    assert shell.works("fetch", f"ada/tiny@{commit}") == came
    assert loopback_hub.seen == []


def test_somebody_faster_is_not_overwritten(loopback_hub, shell, model):
    def faster(repo: Repo) -> None:
        repo.add("somebody else", {**repo.commits[-1].files, "config.json": Blob(b"{}", False)})

    loopback_hub.create("ada/tiny")
    loopback_hub.before_commit = faster
    said = shell.fails("publish", model, "--repo", "ada/tiny")
    assert "somebody else published first" in said
    assert loopback_hub.repo("ada/tiny").files["config.json"] == b"{}"
    assert loopback_hub.repo("ada/tiny").tags == {}


def test_a_named_parent_must_still_be_the_last_commit(loopback_hub, shell, model):
    old = loopback_hub.create("ada/tiny").commits[-1].oid
    shell.works("publish", model, "--repo", "ada/tiny")
    (model / "log.jsonl").write_text("")
    said = shell.fails("publish", model, "--repo", "ada/tiny", "--parent", old)
    assert "has changed in the meantime" in said


def test_a_tag_is_never_moved(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny", "--tag", "v1")
    (model / "log.jsonl").write_text("")
    assert "has a tag v1 already" in shell.fails(
        "publish", model, "--repo", "ada/tiny", "--tag", "v1"
    )
    assert len(loopback_hub.repo("ada/tiny").commits) == 2


def test_a_dry_run_lists_the_files_and_asks_nobody(loopback_hub, shell, model):
    done = shell("publish", model, "--repo", "ada/tiny", "--dry-run", "--json", token=None)
    rows = {row["file"]: row["bytes"] for row in json.loads(done.stdout)}
    assert rows == {path: len(data) for path, data in contents(model).items()}
    assert loopback_hub.seen == []


def test_each_refusal_of_the_hub_is_a_sentence(loopback_hub, shell, model):
    loopback_hub.create("ada/gated", gated=True)
    loopback_hub.create("ada/empty")
    loopback_hub.create("ada/secret", private=True)
    for words, token, said in (
        (("publish", model, "--repo", "ada/tiny"), None, "No Hugging Face token was found"),
        (("publish", model, "--repo", "ada/tiny"), "hf_wrong", "does not accept the token"),
        (("publish", model, "--repo", "ada/tiny"), READ_ONLY, "The Hub says: Bearer [token] has"),
        (("publish", model, "--repo", "tiny"), TOKEN, "Write USER/NAME"),
        (("fetch", "ada/nothing"), TOKEN, "There is no model ada/nothing"),
        (("fetch", "ada/secret"), None, "or it is private"),
        (("fetch", "ada/empty@v9"), TOKEN, "has no such revision"),
        (("fetch", "ada/empty"), TOKEN, "config.json, README.md, model.safetensors missing"),
    ):
        heard = shell.fails(*words, token=token)
        assert said in heard
        assert "hf_wrong" not in heard
        assert READ_ONLY not in heard


def test_a_gated_model_is_a_sentence(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny")
    loopback_hub.repo("ada/tiny").gated = True
    assert "is gated" in shell.fails("fetch", "ada/tiny")


def test_an_unreachable_hub_is_a_sentence_and_the_earlier_copy_stays(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny")
    folder = shell.works("fetch", "ada/tiny")["folder"]
    away = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    said = shell.fails("fetch", "ada/tiny", **away)
    assert "cannot be reached" in said
    assert f"still in {folder}" in said
    assert contents(Path(folder)) == contents(model)
    assert "cannot be reached" in shell.fails("publish", model, "--repo", "ada/tiny", **away)
    assert "HF_HUB_OFFLINE is set" in shell.fails("fetch", "ada/tiny", HF_HUB_OFFLINE="1")


def test_a_full_disk_is_a_sentence_and_the_earlier_copy_stays(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny")
    old = shell.works("fetch", "ada/tiny")["folder"]
    (model / "model-00001-of-00002.safetensors").write_bytes(os.urandom(300_000))
    write_config(model)
    before = contents(Path(old))
    shell.works("publish", model, "--repo", "ada/tiny")
    said = shell.fails("fetch", "ada/tiny", limit=200)
    assert "the disk is full" in said
    assert contents(Path(old)) == before
    assert contents(Path(shell.works("fetch", "ada/tiny")["folder"])) == contents(model)


def test_a_file_damaged_on_its_way_is_not_kept(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny")
    for path in ("model-00001-of-00002.safetensors", "scores/kodak.csv"):
        loopback_hub.corrupt = path
        assert f"{path} was damaged on its way" in shell.fails("fetch", "ada/tiny")
        kept = (shell.home / "cache" / "hub").rglob("*")
        assert [file for file in kept if file.is_file()] == []
    loopback_hub.corrupt = None
    shell.works("fetch", "ada/tiny")


def test_weights_that_differ_from_their_configuration_are_not_kept(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny")
    repo = loopback_hub.repo("ada/tiny")
    name = "model-00001-of-00002.safetensors"
    repo.add("swapped", {**repo.commits[-1].files, name: Blob(b"other weights", True)})
    assert f"{name} is damaged" in shell.fails("fetch", "ada/tiny")
    assert hub.list_fetched(shell.home / "cache" / "hub") == {}


def test_only_files_of_a_model_are_fetched(loopback_hub, shell, model):
    shell.works("publish", model, "--repo", "ada/tiny")
    repo = loopback_hub.repo("ada/tiny")
    extra = {"evil.pkl": Blob(b"x", False), "scores/deep/er.csv": Blob(b"x", False)}
    repo.add("more", {**repo.commits[-1].files, **extra})
    came = shell.works("fetch", "ada/tiny")
    assert contents(Path(came["folder"])) == contents(model)
    assert hub.list_fetched(shell.home / "cache" / "hub") == {"ada/tiny": Path(came["folder"])}


@pytest.mark.parametrize("missing", ["config.json", "README.md", "*.safetensors"])
def test_a_folder_without_a_needed_file_is_not_published(model, missing):
    for file in model.glob(missing):
        file.unlink()
    with pytest.raises(Problem, match=missing.replace("*", "model") + " missing"):
        model_files(model)


def test_a_folder_with_a_strange_file_is_not_published(model):
    (model / "photos.zip").write_bytes(b"")
    with pytest.raises(Problem, match=r"no part of a model: photos\.zip"):
        model_files(model)


def test_a_card_without_metadata_is_not_published(model):
    (model / "README.md").write_text("# A model\n")
    with pytest.raises(Problem, match="no model card"):
        model_files(model)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model-00001-of-00002.safetensors", "other", "its sha256 is not the one"),
        ("extra.safetensors", "more", "is not named in config.json"),
        (
            "config.json",
            '{"revision": "a", "files": {"gone.safetensors": ""}}',
            "gone.safetensors is named",
        ),
        ("config.json", '{"files": {}}', "config.json is damaged"),
        ("config.json", "[]", "config.json is damaged"),
        ("config.json", "{", "config.json is damaged"),
    ],
)
def test_weights_and_configuration_must_agree(model, name, content, said):
    (model / name).write_text(content)
    with pytest.raises(Problem, match=said):
        model_files(model)


def test_no_exception_carries_the_token(loopback_hub, shell):
    """The Problem, its cause and its context: what a log of a traceback would show."""
    program = (
        "import traceback\nfrom workbench import hub\n"
        "try:\n    hub.fetch('ada/secret')\n"
        "except Exception as problem:\n    traceback.print_exception(problem)\n"
    )
    loopback_hub.create("ada/secret", private=True)
    env = loopback_hub.environment(shell.home, "hf_wrong_but_secret")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert "There is no model ada/secret" in done.stderr
    assert "hf_wrong_but_secret" not in done.stdout + done.stderr


def test_growing_files_are_backed_up_to_a_private_data_set(loopback_hub, shell, tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom workbench import hub\n"
        "folder = Path(sys.argv[1])\nscheduler = hub.back_up(folder, 'ada/votes', minutes=60)\n"
        "for line in ('one', 'two'):\n"
        "    with scheduler.lock, (folder / 'votes.jsonl').open('a') as file:\n"
        "        file.write(line + '\\n')\n"
        "    scheduler.trigger().result()\n"
        "scheduler.stop()\n"
    )
    (tmp_path / "votes").mkdir()
    (tmp_path / "votes" / "secret.txt").write_text("not to be sent")
    command = [sys.executable, "-c", program, str(tmp_path / "votes")]
    env = loopback_hub.environment(shell.home)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    repo = loopback_hub.repo("ada/votes", "datasets")
    assert repo.private
    assert repo.files["votes.jsonl"] == b"one\ntwo\n"
    assert "secret.txt" not in repo.files
    assert TOKEN not in done.stdout + done.stderr
