"""Where entries live: the protocol of stores, and a package for each store."""
