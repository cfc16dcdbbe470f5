"""The sandbox of Shopify."""
