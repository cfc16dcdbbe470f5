"""WooCommerce's connector: its listings, its records, its traps, its sandbox."""
