"""Adapters for one machine: a document store and a task queue in SQLite files."""
