"""The cloud edge: HTTP and CloudEvent shapes, who is let in, and log lines. It decides nothing else."""
