"""The parts of Amazon's orders: amounts, parcels, personal data."""
