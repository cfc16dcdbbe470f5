"""eBay's connector: its listings, its records, its traps."""
