"""The commands of `python -m accelerator`, one module each, and what they share."""
