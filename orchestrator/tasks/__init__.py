"""Who may work on a connection, and how its task ends."""
