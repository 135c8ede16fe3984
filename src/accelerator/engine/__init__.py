"""One request: the hit, the fill, what passes by, and what they share. It knows the protocol of stores, no store."""
