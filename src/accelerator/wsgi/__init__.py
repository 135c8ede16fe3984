"""The WSGI middleware: it runs the same async engine as the ASGI one, without an event loop, in the server's thread."""

from accelerator.wsgi.middleware import WSGIAccelerator

__all__ = ["WSGIAccelerator"]
