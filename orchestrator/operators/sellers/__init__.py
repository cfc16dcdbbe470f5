"""Sellers' accounts: adding and changing connections, their secrets, and the seller's consent."""
