"""The duties of every connector, for any marketplace."""
