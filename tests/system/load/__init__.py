"""Many connections at once: who waits for whom, and what grows."""
