"""A stream's next version: changes arrive as before, and history is rewritten in a window of its own."""
