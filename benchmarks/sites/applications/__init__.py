"""The sites' applications. Each module runs in an environment of its own, which has that site's software."""
