"""The local stack: its parts, and all of it with real processes."""
