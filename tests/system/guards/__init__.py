"""Guards: each line that a promise rests on is removed once, and its test has to fail."""
