"""Parsed HTTP requests, responses and header fields. Nothing here reads a clock, needs an event loop or logs."""
