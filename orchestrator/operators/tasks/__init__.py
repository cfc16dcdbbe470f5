"""Tasks for operators: those of a run, those of a connection, and what is open now."""
