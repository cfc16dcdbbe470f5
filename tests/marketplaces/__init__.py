"""The marketplaces: the shared client and its parts, each connector in a folder of its own, the sandboxes."""
