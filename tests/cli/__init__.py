"""The operators' command line, and the use cases that only it has, on an embedded store."""
