"""The work of a task: streams, windows, pages, records, digests."""
