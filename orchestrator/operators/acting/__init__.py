"""A person's permission to act, and acting on many connections at once."""
