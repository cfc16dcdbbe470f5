"""The page in a browser: who gets in, what it shows, what its buttons do."""
