"""The vault: sellers' credentials in the store, encrypted; its keys; checks that only the worker can make."""
