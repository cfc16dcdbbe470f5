"""The parts of WooCommerce's orders: personal data, parcels."""
