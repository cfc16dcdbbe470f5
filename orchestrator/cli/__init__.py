"""The operators' command line: `marketplace-sync`."""
