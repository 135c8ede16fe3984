"""Caches downstream of a store: what they are told, by the calls of each kind."""
