"""What the servers run: a site, bare or behind the cache, or the gateway in front of one, as their environment says."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerator import ASGIAccelerator, WSGIAccelerator
from benchmarks.sites.catalogue import site
from benchmarks.sites.site import PATIENCE

if TYPE_CHECKING:
    from accelerator import Store


def app() -> Any:
    """Return the application of `SITE_NAME`, bare if `SITE_STORE` is empty."""
    name, store = os.environ["SITE_NAME"], os.environ["SITE_STORE"]
    bare = import_module(f"benchmarks.sites.applications.{name}").application(Path(os.environ["SITE_HOME"]))
    if not store:
        return bare
    wrap: Any = ASGIAccelerator if site(name).is_asgi else WSGIAccelerator
    return wrap(bare, store=_opened(store), **site(name).options)


def gateway() -> ASGIAccelerator:
    """Return the gateway to `SITE_ORIGIN`, with the options of `SITE_NAME`."""
    from accelerator.gateway import Gateway

    origin = Gateway(os.environ["SITE_ORIGIN"])
    return ASGIAccelerator(origin, store=_opened(os.environ["SITE_STORE"]), **site(os.environ["SITE_NAME"]).options)


def _opened(store: str) -> Store | None:
    if store == "memory":
        return None
    from accelerator import RedisStore

    return RedisStore(store, f"{os.environ['SITE_NAME']}-{os.getpid()}:", deadline=PATIENCE)
