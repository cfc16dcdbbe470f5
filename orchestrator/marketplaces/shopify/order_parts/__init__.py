"""The parts of Shopify's orders: their rows as decoded, parcels and refunds."""
