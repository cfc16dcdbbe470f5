"""Real processes on real emulators, killed and stopped at chosen moments."""
