"""The records that a seller's software reads, and their documents."""
