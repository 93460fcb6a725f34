"""About: the models and their papers, the licences, the pictures, the versions."""

import streamlit as st

from workbench.ui import facts

st.title("About")
st.markdown(facts.WHAT)

with st.spinner("Reading the checkpoints…"):
    models = facts.models()

st.header("Models")
st.dataframe(models, hide_index=True, column_config=facts.MODEL_COLUMNS)
for title, paper, claim, difference in facts.papers():
    with st.expander(title):
        st.markdown(f"**{paper}**\n\nThe paper's claim, in our words: {claim}")
        if difference:
            st.markdown(difference)

st.header("Licences")
st.markdown(facts.LICENCES)

st.header("Photographs")
st.markdown(facts.DATA)
if len(datasets := facts.datasets()):
    st.dataframe(datasets, hide_index=True, column_config=facts.DATASET_COLUMNS)
st.subheader("Bundled samples")
st.dataframe(facts.samples(), hide_index=True)

st.header("Versions")
st.dataframe(facts.versions(), hide_index=True)
