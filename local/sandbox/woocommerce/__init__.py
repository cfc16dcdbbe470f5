"""The sandbox of WooCommerce."""
