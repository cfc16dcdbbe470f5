"""The connector for Amazon."""
