"""Documents, messages and ids as types."""
