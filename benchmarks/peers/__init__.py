"""Every cache that Python sites are put behind, beside this one: `nox -s bench`, and docs/benchmarks.md."""
