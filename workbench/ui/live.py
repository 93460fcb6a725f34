"""The pieces of the page *Live class*: the teacher's screen at the front, and a student's phone."""

from __future__ import annotations

import io
import socket
from urllib.parse import urlsplit

import streamlit as st

from workbench import places
from workbench.names import escape_html
from workbench.study import limits, live, own, trials
from workbench.study.rendering import picture_file
from workbench.study.tables import Rater, Study
from workbench.ui import gate, state
from workbench.ui.study import taking_part, voting
from workbench.ui.viewers import Cell, File, show_gallery

TICK = 1.0  # seconds between two looks at how far the class has come
QUESTIONS = {
    "pair": "Which looks more natural?",
    "real_or_fake": "Which one was coloured by a computer?",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def enter_code() -> None:
    """For a student who comes without the link: the code from the front."""
    with st.form("code", border=False):
        code = st.text_input("Code of your class", max_chars=12)
        if st.form_submit_button("Join", type="primary") and code.strip():
            with voting.count_guesses():
                study = live.find_class(state.study_votes(), code)
            st.query_params["code"] = live.code_of(study)
            st.rerun()


def begin_class() -> None:
    """For a teacher: the classes that are on, and a form to begin one."""
    st.subheader("For the teacher", anchor=False)
    gate.require_password()
    votes = state.study_votes()
    for study in live.list_classes(votes):
        if st.button(f"Go on with class {live.code_of(study)}", icon=":material/co_present:"):
            _lead_to(study)
    here = state.checkpoints()
    design = st.pills(
        "What the class is asked", list(QUESTIONS), default="pair", required=True,
        format_func=QUESTIONS.get, wrap=True,
    )  # fmt: skip
    models = st.multiselect(
        "Models", list(here), default=list(here), format_func=lambda name: here[name].title
    )
    count = st.number_input("Questions", 1, 50, 10)
    uploads = st.file_uploader(
        "Photographs in colour (without any: ours)", accept_multiple_files=True, key="class_files"
    )
    if st.button("Begin a class", type="primary"):
        files = [(file.name, file.getvalue()) for file in uploads]
        with st.spinner("The networks are at work…"), state.queue().take_place():
            study = live.make_class(votes, design, models, count, files)
        _lead_to(study)


def _lead_to(study: Study) -> None:
    st.query_params["class"] = live.code_of(study)
    st.rerun()


# the front ---------------------------------------------------------------------------------------


def lead(code: str) -> None:
    """The teacher's screen: the way in, then question after question, then what came out."""
    votes = state.study_votes()
    study = live.find_class(votes, code)
    if study.state == "closed":
        st.title("The class has ended", anchor=False)
        st.page_link(
            "pages/study_results.py", label="Its results", icon=":material/bar_chart:",
            query_params={"study": study.name},
        )  # fmt: skip
        return
    number, told = live.place_of(study)
    rounds = live.list_rounds(study)
    if number < 0:
        _show_door(study)
    else:
        _show_round(study, rounds[number], told)
    last = number == len(rounds) - 1
    bar = st.container(horizontal=True, vertical_alignment="center")
    if not (last and told):
        words = "Close the vote" if not told else "Next question" if number >= 0 else "Begin"
        bar.button(
            words, type="primary", shortcut="n", icon=":material/arrow_forward:",
            on_click=live.advance, args=(votes, study),
        )  # fmt: skip
    bar.button(
        "End the class", on_click=votes.set_state, args=(study.name, "closed"),
        type="primary" if last and told else "secondary",
    )  # fmt: skip
    if number >= 0:
        bar.caption(
            f"Question {number + 1} of {len(rounds)}. Late ones join at **{_address()}** with "
            f"**{live.code_of(study)}**."
        )


def _show_door(study: Study) -> None:
    """The code, large, and as a QR code; who has come so far."""
    address = _address()
    link = f"{address}?code={live.code_of(study)}"
    left, right = st.columns([2, 1], vertical_alignment="center")
    with left:
        st.title("Join with your phone", anchor=False)
        st.html(
            "<p style='font-size: clamp(1.2rem, 2.6vw, 2.2rem); margin: 0;"
            " overflow-wrap: anywhere'>"
            f"{escape_html(address.partition('://')[2])}</p>"
            "<p style='font: 600 clamp(4rem, 14vw, 11rem)/1.1 monospace; letter-spacing: 0.1em;"
            f" margin: 0'>{escape_html(live.code_of(study))}</p>"
        )
        _count_members(study.name)
    if (drawn := draw_qr(link)) is not None:
        right.image(drawn, width="stretch", alt=f"QR code of {link}")
    if urlsplit(address).hostname in LOOPBACK:
        st.warning(
            "Phones cannot reach this server: it listens to its own machine alone. Start it with "
            "`WORKBENCH_STUDY_PASSWORD=... python -m workbench serve --host 0.0.0.0`."
        )


@st.fragment(run_every=TICK)
def _count_members(name: str) -> None:
    votes = state.study_votes()
    members, _ = votes.tally(votes.study(name), -1)
    st.metric("Here", members)


def _show_round(study: Study, now: live.Round, told: bool) -> None:
    """Both pictures with one zoom, and the votes as they come; names once the answer is told."""
    design = trials.plan_of(study).design
    st.title(QUESTIONS[design], anchor=False)
    fake = live.right_side(study, now)
    cells = []
    for side, shown in zip(("left", "right"), now.shown, strict=True):
        title = live.SIDES[side]
        if told:
            title = f"{title}: {own.name_shown(shown)}"
        png = picture_file(study.name, now.sha256, shown).read_bytes()
        size = trials.plan_of(study).size
        note = "the fake" if told and side == fake else ""
        cells.append(Cell(title, File(png, "image/png", size, size), note))
    pictures, beside = st.columns([2, 1], gap="medium")
    with pictures:
        show_gallery(cells, key=f"class_{study.name}_{now.number}", cell=280)
    shown = True
    if not told:
        shown = beside.toggle(
            "Bars while the class votes", value=True, key="class_bars",
            help="Whoever votes late sees what the others think. Hidden, they show when the vote "
            "is closed.",
        )  # fmt: skip
    with beside:
        st.fragment(_show_votes, run_every=None if told else TICK)(
            study, fake if told else None, shown
        )


def _show_votes(study: Study, fake: str | None, shown: bool) -> None:
    members, given = live.count_votes(state.study_votes(), study)
    total = sum(given.values())
    st.html(draw_bars(given, fake) if shown else "")
    st.caption(f"{total} of {members} have voted")


def draw_bars(given: dict[str, int], fake: str | None = None) -> str:
    """Votes by choice as bars, HTML. fake: the side that is the fake, once that is told."""
    most = max(sum(given.values()), 1)
    rows = []
    for choice, count in given.items():
        name = live.SIDES[choice] + (" (the fake)" if choice == fake else "")
        rows.append(
            f"<dt>{escape_html(name)}</dt><dd><i style='width: {100 * count / most:.1f}%'></i>"
            f"<b>{count}</b></dd>"
        )
    return f"<dl class='class-bars'>{''.join(rows)}</dl>"


def draw_qr(text: str) -> bytes | None:
    """A QR code as PNG, drawn here; None where the package segno is missing."""
    try:
        import segno
    except ImportError:
        return None
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="png", scale=8, border=4)
    return out.getvalue()


def _address() -> str:
    """The address of this page as a phone reaches it: of this machine in its network."""
    url = urlsplit((st.context.url or "http://localhost/live").partition("?")[0])
    host = url.hostname or "localhost"
    listens = places.HOST or str(st.get_option("server.address") or "")
    if host in LOOPBACK and listens not in LOOPBACK:
        host = _own_address() or host
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}{url.path.rstrip('/')}"


def _own_address() -> str | None:
    """This machine's address in its network; asks the routing table, sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            return str(probe.getsockname()[0])
        except OSError:
            return None


# a phone -----------------------------------------------------------------------------------------


def take_part(code: str) -> None:
    """A student's phone: join, vote when asked, see what the answer was."""
    votes = state.study_votes()
    with voting.count_guesses():
        study = live.find_class(votes, code)
    known = taking_part.recall(study)
    rater = votes.rater(study, known) if known else None
    if study.state == "closed":
        _take_leave(study, rater)
    elif rater is None:
        _join(study)
    else:
        _follow(study.name, study.stage)
        _show_moment(study, rater)


def _join(study: Study) -> None:
    plan = trials.plan_of(study)
    st.title("Join the class", anchor=False)
    st.write(plan.agreed)
    if st.button("I agree; join", type="primary"):
        state.study_limits().count(limits.BEGIN, voting.address_bucket())
        rater = state.study_votes().add_rater(study, plan.consent_version, "unsaid")
        st.session_state.setdefault("study_codes", {})[study.name] = rater.code
        st.query_params.from_dict({"code": live.code_of(study), "rater": rater.code})
        st.rerun()


@st.fragment(run_every=TICK)
def _follow(name: str, seen: int) -> None:
    """The page again, when the teacher has gone on."""
    study = state.study_votes().study(name)
    if study.stage != seen or study.state != "open":
        st.rerun()


def _show_moment(study: Study, rater: Rater) -> None:
    """The question of the moment, or what there is to say between two."""
    if refused := st.session_state.pop("study_refused", None):
        st.info(refused)
    votes = state.study_votes()
    if question := live.ask(votes, study, rater):
        voting.put(
            study, rater, question, live.take_vote,
            names=(live.SIDES["left"], live.SIDES["right"]),
        )  # fmt: skip
        return
    number, told = live.place_of(study)
    if not told:
        st.title("Your answer is in", anchor=False)
        st.write("Now look to the front.")
    elif number < 0:
        st.title("You are in", anchor=False)
        st.write("Look to the front. The first question comes by itself.")
    else:
        _tell(study, rater, live.list_rounds(study)[number])
    st.caption(f"Your code is `{rater.code}`: with it you can have your votes deleted.")


def _tell(study: Study, rater: Rater, now: live.Round) -> None:
    """What was what, and how this student answered."""
    mine = own.list_choices(state.study_votes(), study, rater)
    answer = next((row for row in mine if row["number"] == now.number), None)
    if trials.plan_of(study).design == "real_or_fake":
        right = sum(bool(row["correct"]) for row in mine)
        said = "Right!" if answer and answer["correct"] else "It was the other one"
        st.title(said if answer else "That vote is closed", anchor=False)
        if mine:
            st.write(f"{right} of {len(mine)} right so far.")
    else:
        st.title("The vote is closed", anchor=False)
        if answer:
            st.write(f"You chose: {live.SIDES[answer['choice']]}.")
    for side, shown in zip(("left", "right"), now.shown, strict=True):
        st.write(f"{live.SIDES[side]}: **{own.name_shown(shown)}**")


def _take_leave(study: Study, rater: Rater | None) -> None:
    st.title("The class has ended", anchor=False)
    if rater is not None:
        st.write("Thank you! Your answers are stored under this code.")
        st.code(rater.code, language=None)
        taking_part.show_own(study, rater)
    taking_part.withdraw()
