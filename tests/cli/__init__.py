"""The operators' command line, and the use cases behind it."""
