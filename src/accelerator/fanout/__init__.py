"""Caches downstream of an application, Fastly, Cloudflare and Varnish, which are told what a store has taken back."""

try:
    import httpx  # noqa: F401 - to say which extra has it
except ImportError as error:
    raise ImportError('accelerator.fanout needs an extra: pip install "asgi-accelerator[fanout]"') from error

from accelerator.fanout.fan_out import FanOut
from accelerator.fanout.targets import Cloudflare, Fastly, Target, Varnish

__all__ = ["Cloudflare", "FanOut", "Fastly", "Target", "Varnish"]
