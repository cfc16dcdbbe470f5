"""Real processes on real emulators, really killed."""
