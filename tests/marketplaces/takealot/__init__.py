"""Tests of the connector for Takealot."""
