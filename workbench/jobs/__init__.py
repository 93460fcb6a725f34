"""Work that goes on in the background of a page or the command line: no Streamlit in it."""
