"""A release's store and messages, frozen; the code of today reads the one and works the other."""
