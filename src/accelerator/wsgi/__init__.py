"""The WSGI middleware: the same engine, driven by hand in the thread of the server."""

from accelerator.wsgi.middleware import WSGIAccelerator

__all__ = ["WSGIAccelerator"]
