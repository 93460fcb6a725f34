"""Raters sent by a recruiting platform: known once, named in a file of their own, sent back."""

import csv
import io

import pytest
from browser import RUN_PATIENCE
from streamlit.testing.v1 import AppTest

from workbench.errors import Problem
from workbench.study import export, plans, recruiting
from workbench.study.votes import Votes

PROLIFIC = recruiting.PLATFORMS["Prolific"]
LINK = {"PROLIFIC_PID": "5f1c0000aa", "STUDY_ID": "s1", "SESSION_ID": "x-2", "other": "kept out"}


def plan(**fields) -> plans.Plan:
    usual = {"name": "sent", "link_parameters": PROLIFIC, "practice": 0, "catch": 0}
    return plans.Plan(**usual | fields)


@pytest.fixture
def votes(tmp_path):
    made = Votes(f"sqlite:///{tmp_path / 'votes.sqlite3'}")
    yield made
    made.close()


def opened(votes, chosen):
    votes.create_study(chosen.to_dict())
    votes.freeze(chosen.name, ["one@1", "two@1"], [{"picture": "p", "sha256": "0"}])
    votes.set_state(chosen.name, "open")
    return votes.study(chosen.name)


def test_what_a_link_tells_is_taken_by_the_plans_names_alone():
    found = recruiting.read_recruited(PROLIFIC, LINK)
    assert found == {name: LINK[name] for name in PROLIFIC}
    assert recruiting.person_of(PROLIFIC, found) == LINK["PROLIFIC_PID"]
    assert recruiting.read_recruited((), LINK) == {}
    with pytest.raises(Problem, match="PROLIFIC_PID"):
        recruiting.read_recruited(PROLIFIC, {"STUDY_ID": "s1"})
    with pytest.raises(Problem, match="no identifier"):
        recruiting.read_recruited(PROLIFIC, {**LINK, "SESSION_ID": "<script>"})


def test_a_person_takes_part_once_and_only_the_private_file_names_them(votes, tmp_path):
    study = opened(votes, plan())
    told = recruiting.read_recruited(PROLIFIC, LINK)
    person = recruiting.person_of(PROLIFIC, told)
    rater = votes.add_rater(study, "c", "normal", person=person, recruited=told)
    with pytest.raises(Problem, match="begun this study already"):
        votes.add_rater(study, "c", "normal", person=person, recruited=told)
    votes.add_rater(study, "c", "normal", person="another", recruited={"PROLIFIC_PID": "another"})
    public = {path.name: path for path in export.export(votes, study, tmp_path / "public")}
    assert "recruited.csv" not in public
    assert not any(person.encode() in path.read_bytes() for path in public.values())
    assert person.encode() not in export.make_archive(votes, study)
    private = export.export(votes, study, tmp_path / "private", private=True)
    text = next(path for path in private if path.name == "recruited.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {"rater": rater.code, **told}
    assert rows[1]["SESSION_ID"] == ""


def test_the_consent_says_what_the_platform_tells_and_its_version_follows():
    assert "PROLIFIC_PID" in plan().agreed
    assert plans.Plan("open").agreed == plans.CONSENT
    assert plan().consent_version != plans.Plan("open").consent_version
    assert plans.plan_from(plan().to_dict()) == plan()
    for wrong in (("study",), ("a b",)):
        with pytest.raises(Problem, match="parameter of its link"):
            plan(link_parameters=wrong)


def test_an_address_leads_back_and_everything_else_is_a_code():
    assert recruiting.is_address("https://app.prolific.com/submissions/complete?cc=C1")
    for text in ("C1ABC", "http://example.org", "javascript:alert(1)", "https:", ""):
        assert not recruiting.is_address(text)


def test_the_page_begins_with_the_link_screens_out_and_sends_back(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", f"sqlite:///{tmp_path / 'votes.sqlite3'}")
    from workbench.ui import state

    state.study_votes.clear()
    chosen = plan(normal_vision=True, screened_out="SCREENED", completion="DONE")
    study = opened(state.study_votes(), chosen)

    def page() -> None:
        import streamlit as st

        from workbench.ui import state
        from workbench.ui.study import taking_part

        if "rater" not in st.query_params:  # with a code, the page asks its questions
            taking_part.join(state.study_votes().study("sent"))

    shown = AppTest.from_function(page, default_timeout=RUN_PATIENCE)
    for name in PROLIFIC:
        shown.query_params[name] = LINK[name]
    shown.run()
    assert "PROLIFIC_PID" in " ".join(each.value for each in shown.markdown)
    shown.radio[0].set_value("deficient")
    shown.button[0].click().run()
    assert not shown.exception
    assert [each.value for each in shown.code] == ["SCREENED"]
    assert state.study_votes().raters(study) == []
    shown.radio[0].set_value("normal")
    shown.button[0].click().run()
    assert [rater.person for rater in state.study_votes().raters(study)] == ["5f1c0000aa"]
    state.study_votes.clear()
