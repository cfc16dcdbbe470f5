"""The programs of the row `peer`: the same orders loaded by dlt and by the product."""
