"""The documents are true: commands, targets, settings, links, examples."""
