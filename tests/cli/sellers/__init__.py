"""Adding and changing sellers' accounts."""
