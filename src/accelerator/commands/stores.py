"""The store that a command works on: how it is named, opened, and what is said if it cannot be used."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from accelerator import Store


STORE: Final = "ACCELERATOR_STORE"
"""The environment variable that names the store."""

LOCAL: Final = "lmdb:///dev/shm/site"
EXAMPLES: Final = f"{LOCAL} or redis://localhost:6379/0"

_UNHEARD: Final = logging.NullHandler()

_Command = TypeVar("_Command", bound="Callable[..., object]")


def store_option(text: str) -> Callable[[_Command], _Command]:
    """Return the option `--store` of a command, with its help."""
    return click.option("--store", "url", metavar="URL", envvar=STORE, show_envvar=True, help=text)


@contextmanager
def store_errors(url: str | None) -> Iterator[None]:
    """End the command in one line if the store that the URL names cannot be used."""
    from accelerator import InvalidationError

    where = f"{STORE}: " if url and url == os.environ.get(STORE) else ""
    try:
        yield
    except InvalidationError as error:
        raise click.ClickException(f"{where}nothing is known to be taken back: {error.__cause__}") from None
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise click.ClickException(f"{where}{error}") from None


def open_present(url: str, options: Mapping[str, str] | None = None) -> Store:
    """Open a store that others have. A path where there is none is a mistake, and not a place for a new one.

    Its log is not written, unless it is configured: it is that of a process which stays, and a command says itself
    what went wrong.

    Args:
        url: the URL of the store.
        options: what else is said of it, as it would stand behind the `?` of the URL.

    Raises:
        ImportError, OSError, RuntimeError, ValueError: there is no store, or see `open_store`.
    """
    from accelerator.stores.urls import shared

    named = shared(f"{url}{'&' if '?' in url else '?'}{urlencode(options)}" if options else url)
    if named.store == "LMDBStore" and not Path(*named.arguments, "data.mdb").exists():
        raise FileNotFoundError(f"there is no cache in {named.arguments[0]}: is that the path that the workers have?")
    logging.getLogger("accelerator").addHandler(_UNHEARD)  # else warnings go to standard error
    return named.open(deadline=5)
