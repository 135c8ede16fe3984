"""Several Redis servers that belong together, for the tests and the benchmarks."""
