"""A model by its name on the Hub, on the page Compare and before it is fetched."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from browser import ROOT, serving, watched_page
from hub_server import loopback_hub
from test_hub import Shell

__all__ = ["loopback_hub"]


@pytest.fixture
def published(loopback_hub, small_checkpoints, tmp_path) -> Shell:
    """A Hub with ada/tiny, a small Vanilla CNN of its own."""
    from workbench import checkpoints
    from workbench.publishing import cards

    folder = tmp_path / "vanilla_cnn"
    shutil.copytree(small_checkpoints / folder.name, folder)
    cards.write_card(checkpoints.open_folder(folder))
    shell = Shell(loopback_hub, tmp_path / "home")
    shell.works("publish", folder, "--repo", "ada/tiny")
    return shell


@pytest.mark.browser
def test_a_model_is_looked_up_fetched_for_one_visit_then_for_everybody(
    published, loopback_hub, chromium, small_checkpoints, tmp_path
) -> None:
    environment = loopback_hub.environment(tmp_path / "home")
    environment |= {"WORKBENCH_CHECKPOINTS": str(small_checkpoints), "WORKBENCH_LOCAL": "1"}
    environment |= {"WORKBENCH_RUNS": str(tmp_path / "runs")}
    with (
        serving(tmp_path / "server.log", **environment) as address,
        watched_page(chromium, viewport={"width": 1360, "height": 900}) as page,
        watched_page(chromium, viewport={"width": 390, "height": 844}) as other,
    ):
        page.goto(f"{address}/compare")

        def look_up(name: str) -> None:
            page.get_by_label("Name", exact=True).fill(name)
            page.get_by_role("button", name="Look it up").click()

        page.get_by_text("A model from the Hub").click()
        look_up("ada/none")
        page.get_by_text("There is no model ada/none on the Hub").wait_for()
        look_up("ada/tiny")
        page.get_by_text("Network: Vanilla CNN").wait_for()
        page.get_by_text("Licence:").wait_for()
        page.get_by_role("button", name="Fetch for this visit").click()
        pill = page.get_by_role("button", name="Vanilla CNN (ada--tiny")
        pill.wait_for()
        assert pill.get_attribute("aria-pressed") in (None, "true")
        other.goto(f"{address}/compare")
        other.get_by_role("button", name="Vanilla CNN").first.wait_for()
        assert other.get_by_role("button", name="ada--tiny").count() == 0
        look_up("ada/tiny")
        page.get_by_role("button", name="Fetch for everybody").click()
        page.get_by_role("button", name="Vanilla CNN (ada--tiny)", exact=True).wait_for()
        other.reload()
        other.get_by_role("button", name="Vanilla CNN (ada--tiny)", exact=True).wait_for()
        assert not other.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
    assert (tmp_path / "home/cache/hub/ada--tiny/fetched.json").is_file()


def test_a_hosted_workbench_fetches_for_nobody_who_does_not_know_its_password(
    workbench, monkeypatch
) -> None:
    monkeypatch.delenv("WORKBENCH_LOCAL")
    monkeypatch.delenv("WORKBENCH_STUDY_PASSWORD", raising=False)
    workbench.run(timeout=120)
    assert not workbench.exception
    assert "Name" not in [box.label for box in workbench.text_input]
    assert "know this server's password" in " ".join(each.value for each in workbench.caption)


SAY = """
import json, sys
from workbench import hub
from workbench.errors import Problem
said = []
for name, most in json.loads(sys.argv[1]):
    try:
        found = hub.look_up(name)
        hub.fetch(name, most=most)
        said.append([found.config["model"], found.bytes, found.licence])
    except Problem as problem:
        said.append(str(problem))
print(json.dumps(said))
"""


def test_what_it_is_is_said_before_it_is_fetched_and_what_is_too_large_or_a_pickle_is_not(
    published, loopback_hub, tmp_path
) -> None:
    from hub_repos import Blob

    repo = loopback_hub.repo("ada/tiny")
    whole = dict(repo.commits[-1].files)
    pickled = {name: blob for name, blob in whole.items() if "safetensors" not in name}
    repo.add("a pickle in place of the weights", pickled | {"pytorch_model.bin": Blob(b"x", False)})
    repo.add("with a pickle beside them", whole | {"pytorch_model.bin": Blob(b"x", False)})
    *_, first, second, third = (commit.oid for commit in repo.commits)
    asked = [(f"ada/tiny@{first}", 1000), (f"ada/tiny@{second}", None), (f"ada/tiny@{third}", None)]
    done = subprocess.run(
        [sys.executable, "-c", SAY, json.dumps(asked)], cwd=ROOT, capture_output=True, text=True,
        env=loopback_hub.environment(tmp_path / "home"),
    )  # fmt: skip
    large, pickle, beside = json.loads(done.stdout)
    assert "at most 0 MB are fetched here" in large
    assert "model.safetensors missing" in pickle
    assert beside[0] == "vanilla_cnn"
    assert beside[1] == sum(
        len(blob.data) for name, blob in whole.items() if name != ".gitattributes"
    )
    fetched = tmp_path / "home/cache/hub/ada--tiny"
    assert (fetched / "model.safetensors").is_file()
    assert not list(fetched.rglob("*.bin"))
    assert not [path for _, path in loopback_hub.seen if path.endswith(".bin")]
