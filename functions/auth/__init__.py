"""Who may call the HTTP function."""
