"""What is written down holds: commands, targets, settings."""
