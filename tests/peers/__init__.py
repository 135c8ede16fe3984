"""The comparison with other caches."""
