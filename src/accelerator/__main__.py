"""The command line: `python -m accelerator`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

try:
    import click
    from click.core import ParameterSource
except ImportError:
    sys.stderr.write('The command line needs click: pip install "asgi-accelerator[cli]", or [demo], [gateway]\n')
    raise SystemExit(2) from None

from accelerator.commands.explain import TOKEN, explain
from accelerator.commands.ls import ls
from accelerator.commands.operators import address_of, serve_with_operators
from accelerator.commands.printing import need
from accelerator.commands.stats import stats
from accelerator.commands.stores import EXAMPLES, STORE, open_present, store_errors, store_option
from accelerator.commands.top import top

if TYPE_CHECKING:
    from socket import socket
    from typing import Unpack

    from accelerator import Store
    from accelerator.options import OptionArguments


@click.group()
def main() -> None:
    """An HTTP response cache inside a Python application."""


for command in (explain, ls, stats, top):
    main.add_command(command)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--workers", type=click.IntRange(1, 16), help="How many processes serve it; 1 unless told, 3 with --redis."
)
@click.option("--redis", is_flag=True, help="They share a Redis that is started for it.")
@store_option("The store. Unless told it is in memory, or a file in memory that the workers share.")
def demo(host: str, port: int, workers: int | None, redis: bool, url: str | None) -> None:
    """Serve a small social site that shows the cache at work."""
    source = click.get_current_context().get_parameter_source("url")
    if redis and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--redis starts a Redis, and --store names another store: take one of them")
    count = workers or (3 if redis else 1)
    need("demo", "demo", "fastapi", "jinja2", "python_multipart", "uvicorn")
    if redis:
        need("demo", "demo,redis", "hiredis", "msgpack", "redis")
    from accelerator.demo.serve import listen

    try:
        listening = listen(host, port)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", error)).partition(" (")[0]  # the rest repeats the address
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {reason}. Choose others with --host and --port."
        ) from None
    with listening:
        if redis or count > 1:
            _demo_by_workers(listening, count, None if redis else url, redis=redis)
        else:
            _demo(listening, url)


def _demo(listening: socket, url: str | None) -> None:
    from accelerator.demo import serve
    from accelerator.stores.urls import StoreURL

    with store_errors(url):
        named = StoreURL(url or "memory:")
        asyncio.run(serve.begin_anew(named.open(deadline=serve.DEADLINE)))
        store = named.open(deadline=serve.DEADLINE)
    serve.serve(listening, store)


def _demo_by_workers(listening: socket, count: int, url: str | None, *, redis: bool) -> None:
    from accelerator.demo import serve
    from accelerator.stores.urls import shared

    signals = serve.signals_to_end()  # from here on nothing temporary is left behind
    with ExitStack() as stack:
        hint = ""
        with store_errors(url):
            if url is None:
                url = stack.enter_context(serve.temporary_redis() if redis else serve.temporary_file())
                command = f"{sys.executable} -m accelerator purge --store {url.partition('?')[0]} name:ada"
                hint = f"They share one cache. From another terminal: {command}"
            asyncio.run(serve.begin_anew(shared(url).open(deadline=serve.DEADLINE)))
        serve.serve_by_workers(listening, count, url, signals, hint)


@main.command()
@store_option(f"The store that the workers share, such as {EXAMPLES}.")
@click.option("--prefix", help="What the keys of a Redis begin with, if it is not in the URL.")
@click.option("--soft", is_flag=True, help="Make the responses stale, instead of never using them again.")
@click.option("--all", "everything", is_flag=True, help="Take back everything that is stored.")
@click.argument("tags", nargs=-1, metavar="TAG...")
def purge(url: str | None, prefix: str | None, soft: bool, everything: bool, tags: tuple[str, ...]) -> None:
    """Take back every response made from what the tags name."""
    if url is None:
        raise click.UsageError(f"name the store that the workers share by --store or {STORE}, such as {EXAMPLES}")
    if everything == bool(tags) or (everything and soft):
        raise click.UsageError("say which TAG to take back, or several, or --all, which is never soft")
    with store_errors(url):
        store = open_present(url, {} if prefix is None else {"prefix": prefix})
    with store_errors(None):
        asyncio.run(_take_back(store, tags, soft=soft))
    what = "everything" if everything else f"every response made from {', '.join(tags)}"
    click.echo(f"{'Made stale' if soft else 'Taken back'}: {what}, in {store!r}")


async def _take_back(store: Store, tags: tuple[str, ...], *, soft: bool) -> None:
    """Take back what the tags name, or everything if there is none."""
    try:
        await (store.invalidate_tag(tags, soft=soft) if tags else store.clear())
    finally:
        await store.aclose()


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@store_option(f"The store, such as {EXAMPLES}. Unless told it is in memory.")
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
@click.option(
    *("--debug-token", "debug"),
    metavar="TOKEN",
    envvar=TOKEN,
    show_envvar=True,
    callback=lambda _, __, token: False if token is None else token,
    help="Tell requests that carry it how their responses came about.",
)
@click.option(
    *("--ops", "operators"),
    metavar="[HOST:]PORT",
    callback=address_of,
    help="Where operators see and steer the cache, on loopback unless told; 0 takes a free port.",
)
@click.argument("origin", metavar="ORIGIN")
def gateway(
    origin: str,
    host: str,
    port: int,
    url: str | None,
    trusted_fields: tuple[str, ...],
    operators: tuple[str, int] | None,
    **options: Unpack[OptionArguments],
) -> None:
    """Serve an HTTP origin, such as http://127.0.0.1:9000, with the cache in front."""
    need("gateway", "gateway", "httpx", "uvicorn")
    import uvicorn

    from accelerator import CREDENTIALS, ASGIAccelerator
    from accelerator.gateway import Gateway
    from accelerator.http.request_fields import unlisted
    from accelerator.stores.urls import store_of

    credentials, options["vary"] = unlisted(trusted_fields)
    options["credentials"] = (*CREDENTIALS, *credentials)
    with store_errors(url):
        store = store_of(url or "memory:")
    try:
        app = ASGIAccelerator(Gateway(origin, trusted_fields=trusted_fields), store=store, **options)
    except (ImportError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    quiet: dict[str, Any] = {"access_log": False, "date_header": False, "server_header": False}
    if operators is None:
        uvicorn.run(app, host=host, port=port, **quiet)
    else:
        serve_with_operators(app, operators, {"host": host, "port": port, **quiet})


if __name__ == "__main__":
    main(prog_name="python -m accelerator")
