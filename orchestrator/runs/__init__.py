"""The life of a run: start, dispatch, heal, cancel, close."""
