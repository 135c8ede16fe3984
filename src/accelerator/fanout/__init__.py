"""Caches downstream of an application, Fastly, Cloudflare and Varnish, which are told what a store has taken back."""

from accelerator.fanout.fan_out import FanOut
from accelerator.fanout.targets import Cloudflare, Fastly, Target, Varnish

__all__ = ["Cloudflare", "FanOut", "Fastly", "Target", "Varnish"]
