"""The cloud edge: HTTP, CloudEvents, authentication and log lines. It decides nothing else."""
