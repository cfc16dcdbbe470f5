"""The local stack: its parts, and the whole of it with real processes."""
