"""The connector for Takealot."""
