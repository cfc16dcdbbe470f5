"""Proof that tests prove something: each guard is taken away once, and its test has to fail."""
