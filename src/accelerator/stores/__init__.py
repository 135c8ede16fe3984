"""The stores of entries: their protocol, and a package for each store."""
