"""A long run of operations of all kinds on one file, with what it takes looked at meanwhile."""
