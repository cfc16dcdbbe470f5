"""The edge: HTTP, authentication, CloudEvents, logs and start-up."""
