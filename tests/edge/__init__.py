"""The edge: HTTP, authentication, CloudEvents, logs and start-up, as the framework serves them."""
