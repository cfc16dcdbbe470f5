"""Use cases of operators: connections, status, run records, dead letters."""
