"""Tasks for operators: those of a run, those of a connection, and the open ones."""
