"""Servers that belong together, for the tests and the benchmarks: each in temporary folders, and ended by its pid."""
