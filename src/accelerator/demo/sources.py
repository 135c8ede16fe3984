"""The sources of pages: each has its own query, a delay that is shown, and tags that name its data."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from accelerator import tag
from accelerator.demo.database import HANDLES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


@dataclass
class Source:
    """One source of one page: its name, its times, and the tags of its data."""

    name: str
    delay_ms: float
    query_ms: float = 0.0
    tags: list[str] = field(default_factory=list)

    @property
    def total_ms(self) -> float:
        """The time of query and delay together."""
        return self.query_ms + self.delay_ms

    def made_from(self, *tags: str) -> None:
        """Add tags for the data that was read, to the response for the cache, and to this source for display."""
        tag(*tags)
        self.tags = list(dict.fromkeys([*self.tags, *tags]))


class Sources:
    """The sources of one page, in the order in which they were read.

    A person's name is also on other people's pages. So it has its own tag, `name:ada`, which each of those pages has: a
    new name invalidates them, while a new status (`profile:ada`) does not.

    Args:
        db: the database.
        slowness: a factor for the delays.

    Attributes:
        all: the sources by name.
    """

    def __init__(self, db: sqlite3.Connection, slowness: float) -> None:
        self._db = db
        self._slowness = slowness
        self.all: dict[str, Source] = {}

    @property
    def total_ms(self) -> float:
        """The time of all sources together."""
        return sum(source.total_ms for source in self.all.values())

    def profile(self, handle: str) -> sqlite3.Row:
        """Return the person."""
        with self._source("profile", delay_ms=40) as source:
            person: sqlite3.Row = self._db.execute("SELECT * FROM person WHERE handle = ?", [handle]).fetchone()
            source.made_from(f"profile:{handle}", f"name:{handle}")
        return person

    def friends(self, handle: str) -> list[sqlite3.Row]:
        """Return the friends, with their current names."""
        with self._source("friends", delay_ms=120) as source:
            friends = self._db.execute(
                "SELECT handle, name FROM friendship JOIN person ON handle = other WHERE one = ? ORDER BY handle",
                [handle],
            ).fetchall()
            source.made_from(f"friends:{handle}", *(f"name:{friend['handle']}" for friend in friends))
        return friends

    def wall(self, handle: str) -> list[sqlite3.Row]:
        """Return the latest posts on the wall, with the current names of their authors."""
        with self._source("wall", delay_ms=180) as source:
            posts = self._db.execute(
                "SELECT * FROM post JOIN person ON handle = author WHERE wall = ? ORDER BY id DESC LIMIT 10", [handle]
            ).fetchall()
            source.made_from(f"wall:{handle}", *(f"name:{post['author']}" for post in posts))
        return posts

    def photos(self, handle: str) -> list[sqlite3.Row]:
        """Return the latest photos."""
        with self._source("photos", delay_ms=90) as source:
            photos = self._db.execute(
                "SELECT * FROM photo WHERE owner = ? ORDER BY id DESC LIMIT 6", [handle]
            ).fetchall()
            source.made_from(f"photos:{handle}")
        return photos

    def visitors(self, handle: str) -> list[sqlite3.Row]:
        """Return the visitors, with the number of their visits."""
        with self._source("visitors", delay_ms=70) as source:
            visitors = self._db.execute(
                "SELECT * FROM visit JOIN person ON handle = visitor WHERE host = ? ORDER BY last DESC, visitor",
                [handle],
            ).fetchall()
            source.made_from(f"visitors:{handle}", *(f"name:{visitor['handle']}" for visitor in visitors))
        return visitors

    def people(self) -> list[sqlite3.Row]:
        """Return all people."""
        with self._source("people", delay_ms=110) as source:
            people = self._db.execute("SELECT * FROM person ORDER BY handle").fetchall()
            for person in people:
                source.made_from(f"profile:{person['handle']}", f"name:{person['handle']}")
        return people

    def latest(self) -> list[sqlite3.Row]:
        """Return the latest posts on any wall. They have the tags of all walls, since any new post changes them."""
        with self._source("latest", delay_ms=150) as source:
            posts = self._db.execute(
                "SELECT * FROM post JOIN person ON handle = author ORDER BY id DESC LIMIT 4"
            ).fetchall()
            source.made_from(*(f"wall:{handle}" for handle in HANDLES), *(f"name:{post['author']}" for post in posts))
        return posts

    @contextmanager
    def _source(self, name: str, delay_ms: float) -> Iterator[Source]:
        """Measure the query, then wait, as for a larger table or another server on a real site."""
        source = self.all[name] = Source(name, delay_ms * self._slowness)
        started = time.perf_counter()
        yield source
        source.query_ms = (time.perf_counter() - started) * 1000
        time.sleep(source.delay_ms / 1000)
