"""The sandbox of Takealot."""
