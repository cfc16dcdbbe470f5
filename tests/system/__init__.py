"""The whole system: simulated histories, real processes, load, hostile input, the local stack, the guards."""
