"""The public test suite for HTTP caches, run against the gateway: what passes, and why the rest does not."""
