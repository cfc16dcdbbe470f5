"""The connector for WooCommerce."""
