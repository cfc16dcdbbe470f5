"""Takealot's connector, in both versions of its API: its listings, its records, its traps."""
