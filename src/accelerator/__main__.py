"""The command line: `python -m accelerator`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

try:
    import click
except ImportError:
    sys.stderr.write('The command line needs click: pip install "asgi-accelerator[demo]"\n')
    raise SystemExit(2) from None


@click.group()
def main() -> None:
    """An HTTP response cache inside a Python application."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
def demo(host: str, port: int) -> None:
    """Serve a small social site that shows the cache at work."""
    missing = [name for name in ("fastapi", "jinja2", "python_multipart", "uvicorn") if find_spec(name) is None]
    if missing:
        click.echo(f'The demo needs {", ".join(missing)}: pip install "asgi-accelerator[demo]"', err=True)
        raise SystemExit(2)
    from accelerator.demo.serve import listen, serve

    try:
        listening = listen(host, port)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", error)).partition(" (")[0]  # the rest is the address once more
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {reason}. Choose others with --host and --port."
        ) from None
    serve(listening)


if __name__ == "__main__":
    main(prog_name="python -m accelerator")
