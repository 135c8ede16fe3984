"""A small social site that shows the cache at work: `python -m accelerator demo`."""
