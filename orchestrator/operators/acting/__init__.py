"""What a person may do, and doing it to many connections at once."""
