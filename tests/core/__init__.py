"""The core, on a virtual clock."""
