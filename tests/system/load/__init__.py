"""Load: many connections at once on simulated workers; nobody waits for others longer than promised."""
