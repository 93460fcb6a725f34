"""Pieces of the workbench's pages: what is kept, what is shown, what is taken home."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

# Until app.py has called st.navigation once, Streamlit takes the folder `pages/` for pages of its
# old kind: a first visitor with a link to one would get it without the router. `streamlit run`
# reads app.py before there is a visitor; under `serve` the first one is sent round.
taken = PagesManager.uses_pages_directory
PagesManager.uses_pages_directory = False
if taken and get_script_run_ctx(suppress_warning=True):
    st.rerun()
