"""New study: a form, rendered pictures, a link to send."""

import streamlit as st
import yaml

from workbench.errors import Problem
from workbench.study import plans, recruiting, rendering
from workbench.ui import gate, state, widgets

st.title("New study")
gate.require_password()
st.write(
    "Every choice here is frozen when the study is opened, and goes into the codebook. The same "
    "study can be made from a file: `python -m workbench study create study.yaml`."
)
design = st.segmented_control(
    "What raters do",
    list(plans.DESIGNS),
    default="pair",
    required=True,
    format_func=lambda name: name.replace("_", " ").capitalize(),
)
st.caption(plans.DESIGNS[design] + ".")
usual = plans.Plan(name="x", design=design)
here = state.checkpoints()
models = st.multiselect(
    "Models", list(here), default=list(here), format_func=lambda name: here[name].title
)
uploads = st.file_uploader(
    "Photographs in colour (without any: ours)", accept_multiple_files=True, key="photographs"
)
source = st.text_input(
    "or a data set", placeholder="a folder, a .parquet file, hub:OWNER/NAME", disabled=bool(uploads)
)
with st.form("plan", border=False, enter_to_submit=False):
    title = st.text_input("Title")
    name = st.text_input("Name in the link", help="Small letters, digits and -.")
    left, middle, right = st.columns(3)
    limit = left.number_input("Photographs, at most", 1, 2000, usual.limit)
    trials = middle.number_input("Scored questions per rater", 1, 1000, usual.scored)
    practice = right.number_input("Practice questions", 0, 100, usual.practised)
    catch = left.number_input("Hidden checks of attention", 0, 100, usual.caught)
    invites = middle.number_input("Invitations, 0 for everybody", 0, 10_000, 0)
    seed = right.number_input("Seed", 0, 2**31 - 1, 0)
    browsers = left.number_input("Raters from one browser a day, 0 for no bound", 0, 1000, 0)
    with st.expander("Raters from a recruiting platform"):
        platform = st.selectbox("Sent by", ["nobody", *recruiting.PLATFORMS, "another"])
        other = st.text_input("Its parameters in the link, the person first", placeholder="pid")
        completion = st.text_input("At the end: an https address to go back to, or a code")
        screened_out = st.text_input("The same for whoever may not take part")
        normal_vision = st.toggle("Only raters who see colours as most people do")
    reference = st.selectbox(
        "Beside the pictures of every question",
        list(plans.REFERENCES),
        format_func=plans.REFERENCES.get,
        disabled=design == "real_or_fake",
    )
    question = st.text_input("The question above every trial", usual.asked, max_chars=200)
    instructions = st.text_area("Instructions (Markdown)", usual.guidance)
    consent = st.text_area("Consent (Markdown)", plans.CONSENT)
    reveal = st.toggle("Raters may see at the end what they preferred")
    exclude = st.toggle("The headline figure leaves flagged raters out")
    made = st.form_submit_button("Make it", type="primary")

if made:
    try:
        if source.strip() and not uploads:
            gate.check_source(source)
        fields = {
            "name": name, "title": title, "design": design, "models": models, "limit": limit,
            "trials": trials, "practice": practice, "catch": catch, "invites": invites,
            "reference": "" if design == "real_or_fake" else reference,
            "browsers": browsers, "seed": seed, "question": question, "reveal": reveal,
            "instructions": instructions, "consent": consent,
            "exclude_flagged": exclude, "completion": completion.strip(),
            "screened_out": screened_out.strip(), "normal_vision": normal_vision,
            "link_parameters": recruiting.name_parameters(platform, other),
            "pictures": rendering.UPLOADS if uploads else source.strip() or "samples",
        }  # fmt: skip
        plan = plans.plan_from(fields)
        files = [(file.name, file.getvalue()) for file in uploads]
        with st.spinner("The networks are at work…"), state.queue().take_place():
            pictures = rendering.make_study(state.study_votes(), plan, files)
        st.success(f"{pictures} photographs are ready. The study is a draft until you open it.")
        st.page_link(
            "pages/study_results.py",
            label="Open it, send its link, see its results",
            icon=":material/bar_chart:",
            query_params={"study": name},
        )
        st.download_button("study.yaml", yaml.safe_dump(plan.to_dict()), f"{name}.yaml")
    except Problem as problem:
        widgets.show_problem(problem)
