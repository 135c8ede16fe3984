"""The command line: `python -m accelerator`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

try:
    import click
except ImportError:
    sys.stderr.write('The command line needs click: pip install "asgi-accelerator[cli]", or [demo], [gateway]\n')
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from typing import Unpack

    from accelerator import Store
    from accelerator.options import OptionArguments


@click.group()
def main() -> None:
    """An HTTP response cache inside a Python application."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--redis", is_flag=True, help="Several workers, which share a cache in a Redis of their own.")
@click.option("--workers", type=click.IntRange(2, 4), help="How many there are with --redis; 3 unless told.")
def demo(host: str, port: int, redis: bool, workers: int | None) -> None:
    """Serve a small social site that shows the cache at work."""
    if workers and not redis:
        raise click.UsageError("--workers needs --redis: a cache in memory belongs to one process")
    needed = ["fastapi", "jinja2", "python_multipart", "uvicorn", *(["msgpack", "redis"] if redis else [])]
    if missing := [name for name in needed if find_spec(name) is None]:
        extras = "demo,redis" if redis else "demo"
        click.echo(f'The demo needs {", ".join(missing)}: pip install "asgi-accelerator[{extras}]"', err=True)
        raise SystemExit(2)
    from accelerator.demo.serve import listen, serve, serve_by_workers

    try:
        listening = listen(host, port)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", error)).partition(" (")[0]  # the rest repeats the address
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {reason}. Choose others with --host and --port."
        ) from None
    if redis:
        try:
            serve_by_workers(listening, workers or 3)
        except (FileNotFoundError, RuntimeError) as error:
            raise click.ClickException(str(error)) from None
    else:
        serve(listening)


@main.command()
@click.option("--store", "url", required=True, metavar="URL", help="The Redis: redis://, rediss:// or unix://.")
@click.option("--prefix", default="accelerator:", show_default=True, help="What the keys of the store begin with.")
@click.option("--soft", is_flag=True, help="Make the responses stale, instead of never using them again.")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
def purge(url: str, prefix: str, soft: bool, tags: tuple[str, ...]) -> None:
    """Take back every response made from what the tags name."""
    from accelerator import InvalidationError, SyncStore

    try:
        from accelerator import RedisStore

        SyncStore(RedisStore(url, prefix, deadline=5)).invalidate_tag(tags, soft=soft)
    except InvalidationError as error:
        raise click.ClickException(f"nothing is known to be taken back: {error.__cause__}") from None
    except (ImportError, ValueError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--store", "url", metavar="URL", help="The Redis: redis://, rediss:// or unix://. Else it is in memory.")
@click.option("--default-ttl", type=float, metavar="SECONDS", help="How long what says nothing itself is kept.")
@click.option("--stale-while-revalidate", default=0.0, metavar="SECONDS", help="How long stale is served meanwhile.")
@click.option("--stale-if-error", default=0.0, metavar="SECONDS", help="How long stale stands in for a failing origin.")
@click.option("--cacheable-errors", is_flag=True, help="Keep 4xx and 5xx responses, too, where they say so themselves.")
@click.option("--heuristic", is_flag=True, help="Keep what has no time, but a Last-Modified.")
@click.option("--obey-request-directives", is_flag=True, help="Let clients go past the cache, by Cache-Control.")
@click.option(
    *("--trusted-field", "trusted_fields"),
    multiple=True,
    metavar="NAME",
    help="A request field that a proxy in front says, and no client: it passes. May be given several times.",
)
@click.argument("origin", metavar="ORIGIN")
def gateway(
    origin: str,
    host: str,
    port: int,
    url: str | None,
    trusted_fields: tuple[str, ...],
    **options: Unpack[OptionArguments],
) -> None:
    """Serve an HTTP origin, such as http://127.0.0.1:9000, with the cache in front."""
    missing = [name for name in ("httpx", "uvicorn") if find_spec(name) is None]
    if missing:
        click.echo(f'The gateway needs {", ".join(missing)}: pip install "asgi-accelerator[gateway]"', err=True)
        raise SystemExit(2)
    import uvicorn

    from accelerator import CREDENTIALS, ASGIAccelerator
    from accelerator.gateway import Gateway
    from accelerator.http.request_fields import unlisted

    credentials, options["vary"] = unlisted(trusted_fields)
    options["credentials"] = (*CREDENTIALS, *credentials)
    try:
        site = Gateway(origin, trusted_fields=trusted_fields)
        app = ASGIAccelerator(site, store=None if url is None else _redis(url), **options)
    except (ImportError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    uvicorn.run(app, host=host, port=port, access_log=False, date_header=False, server_header=False)


def _redis(url: str) -> Store:
    from accelerator import RedisStore

    return RedisStore(url)


if __name__ == "__main__":
    main(prog_name="python -m accelerator")
