"""Where commands get figures and entries from: a store that the workers share, or the page of their operators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from click.core import ParameterSource

from accelerator.commands.stores import EXAMPLES, STORE, store_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from accelerator.figures.snapshot import Figures

OPS: Final = "ACCELERATOR_OPS"
"""The environment variable that has the address of the operator's page."""


class Found(NamedTuple):
    """What a source has listed at once.

    Attributes:
        entries: what is known of each entry, with its `age` and its `ttl`, see `EntryFacts`.
        cursor: where to go on; None at the end.
        examined: the number of entries that were looked at.
    """

    entries: list[dict[str, Any]]
    cursor: str | None
    examined: int


class Source(ABC):
    """Where figures and entries come from.

    Attributes:
        name: what it is, for people.
    """

    name: str

    @abstractmethod
    def figures(self) -> Figures:
        """Return the figures of all processes.

        Raises:
            click.ClickException: there are none, or it does not answer.
        """
        ...

    @abstractmethod
    def entries(self, url: str | None, tag: str | None, cursor: str | None, limit: int) -> Found:
        """Return a part of the entries, see `ListsEntries.list_entries`.

        Raises:
            click.ClickException: an argument is wrong, or it does not answer.
        """
        ...

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def takes_source(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where its data comes from, and call it with the source that they name."""

    @wraps(command)
    def with_source(url: str | None, address: str | None, lines: tuple[str, ...], **arguments: Any) -> None:
        with open_source(url, address, lines) as source:
            command(source, **arguments)

    options = (
        store_option(f"The store that the workers share, such as {EXAMPLES}."),
        click.option(
            *("--ops", "address"),
            metavar="URL",
            envvar=OPS,
            show_envvar=True,
            help="The address of the operator's page, in place of the store.",
        ),
        click.option(
            *("-H", "--header", "lines"),
            multiple=True,
            metavar="FIELD",
            help="A field for the operator's page, such as 'Authorization: Bearer ...'.",
        ),
    )
    for option in reversed(options):
        with_source = option(with_source)
    return with_source


def open_source(url: str | None, address: str | None, lines: tuple[str, ...]) -> Source:
    """Open what the options name: the operator's page if both stand in the environment, for it knows more.

    Raises:
        click.UsageError: they name nothing, or two things.
        click.ClickException: what they name is not there.
    """
    context = click.get_current_context()
    named = [name for name in ("url", "address") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if len(named) == 2:
        raise click.UsageError("--store reads the store, and --ops asks the operator's page: take one of them")
    if address is not None and named != ["url"]:
        from accelerator.commands.ops_page import OpsPage

        return OpsPage(address, lines)
    if lines:
        raise click.UsageError("-H is for the operator's page, which --ops names")
    if url is None:
        raise click.UsageError(
            f"name the store that the workers share by --store or {STORE}, such as {EXAMPLES}, or the address of the"
            f" operator's page by --ops or {OPS}"
        )
    from accelerator.commands.shared_store import SharedStore

    return SharedStore(url)
