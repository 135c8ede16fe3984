"""Handle one request: serve it from the store, fill, refresh or bypass. Only the protocol of stores is known here."""
