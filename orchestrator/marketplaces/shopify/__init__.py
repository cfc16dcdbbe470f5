"""The connector for Shopify."""
