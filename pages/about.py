"""About: the models and their papers, the licences, the pictures, the versions."""

import streamlit as st

from workbench.ui import about

st.title("About")
st.markdown(about.WHAT)

with st.spinner("Reading the checkpoints…"):
    models = about.list_models()

st.header("Models")
st.dataframe(models, hide_index=True, column_config=about.MODEL_COLUMNS)
for title, paper, claim, difference in about.list_papers():
    with st.expander(title):
        st.markdown(f"**{paper}**\n\n{claim}")
        if difference:
            st.markdown(difference)

st.header("Licences")
st.markdown(about.LICENCES)

st.header("Photographs")
st.markdown(about.DATA)
if len(datasets := about.list_datasets()):
    st.dataframe(datasets, hide_index=True, column_config=about.DATASET_COLUMNS)
st.subheader("Bundled samples")
st.dataframe(about.list_samples(), hide_index=True)

st.header("Versions")
st.dataframe(about.list_versions(), hide_index=True)
