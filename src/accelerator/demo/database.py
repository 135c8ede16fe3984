"""The data of the site: an SQLite file, and its initial content."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from pathlib import Path

Handle: TypeAlias = Literal["ada", "ben", "cleo", "dara", "eli", "fay"]
"""The people of the site. A handle never changes, so a page that shows only handles depends on no data."""

HANDLES: Final[tuple[Handle, ...]] = get_args(Handle)
SCHEMA: Final = """
    PRAGMA journal_mode = WAL;  -- so that readers need not wait for a writer

    CREATE TABLE person (handle TEXT PRIMARY KEY, name TEXT, status TEXT, bio TEXT);
    CREATE TABLE friendship (one TEXT, other TEXT, PRIMARY KEY (one, other));
    CREATE TABLE post (id INTEGER PRIMARY KEY, wall TEXT, author TEXT, text TEXT, at TEXT);
    CREATE TABLE photo (id INTEGER PRIMARY KEY, owner TEXT, seed INTEGER, caption TEXT);
    CREATE TABLE visit (host TEXT, visitor TEXT, times INTEGER, last TEXT, PRIMARY KEY (host, visitor));

    -- nothing grows for ever: a wall keeps 50 posts, an album 12 photos
    CREATE TRIGGER bounded_wall AFTER INSERT ON post BEGIN
        DELETE FROM post WHERE wall = new.wall
            AND id NOT IN (SELECT id FROM post WHERE wall = new.wall ORDER BY id DESC LIMIT 50);
    END;
    CREATE TRIGGER bounded_album AFTER INSERT ON photo BEGIN
        DELETE FROM photo WHERE owner = new.owner
            AND id NOT IN (SELECT id FROM photo WHERE owner = new.owner ORDER BY id DESC LIMIT 12);
    END;
"""
PEOPLE: Final[tuple[tuple[Handle, str, str, str], ...]] = (
    ("ada", "Ada Marlow", "Repotting everything.", "Grows tomatoes on a balcony that faces north. Undeterred."),
    ("ben", "Ben Castel", "Bread is in the oven.", "Baker on weekdays, slow runner at weekends."),
    ("cleo", "Cleo Farrow", "Somewhere between two trains.", "Draws maps of places that do not exist yet."),
    ("dara", "Dara Winslow", "Listening to rain.", "Plays the cello, mostly to the cat."),
    ("eli", "Eli Thorne", "Learning the names of clouds.", "Walks uphill to look at weather."),
    ("fay", "Fay Okoro", "Ask me about lichens.", "Botanist with muddy boots and a good lens."),
)
FRIENDS: Final[tuple[tuple[Handle, Handle], ...]] = (
    ("ada", "ben"),
    ("ada", "cleo"),
    ("cleo", "dara"),
    ("dara", "eli"),
    ("eli", "fay"),
)
POSTS: Final[tuple[tuple[Handle, Handle, str], ...]] = (  # the oldest first
    ("eli", "fay", "That grey smudge on the summit stone? Map lichen. Two hundred years old, about."),
    ("ben", "ada", "The sourdough was gone before I found the butter. Again on Sunday?"),
    ("dara", "eli", "I could hear you practise from the ridge. The cat has good taste."),
    ("fay", "eli", "Found boots by the gate. Yours, going by the mud."),
    ("cleo", "dara", "Your harbour map hangs over the piano now. I keep planning trips to it."),
    ("ada", "cleo", "I drew your balcony as an island. The tomatoes are the mountains."),
    ("ada", "ben", "Left a loaf at your door. The seagull has been informed it is not for him."),
)
PHOTOS: Final[tuple[tuple[Handle, int, str], ...]] = (
    ("ada", 11, "First light"),
    ("ada", 24, "From the roof"),
    ("ben", 31, "Before the shift"),
    ("cleo", 47, "Window seat"),
    ("cleo", 52, "An island, probably"),
    ("dara", 60, "After the concert"),
    ("eli", 73, "Cumulus, finally"),
    ("eli", 88, "The long way down"),
    ("fay", 94, "North slope"),
)
VISITS: Final[tuple[tuple[Handle, Handle, int], ...]] = (
    ("ada", "ben", 14),
    ("ada", "cleo", 9),
    ("ben", "ada", 21),
    ("cleo", "dara", 4),
    ("dara", "eli", 17),
    ("eli", "fay", 8),
    ("fay", "eli", 12),
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for one request, which may use it in several threads, one after another."""
    db = sqlite3.connect(path, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def create(path: Path) -> None:
    """Create the database with its initial content."""
    start = now()
    posts = [
        (wall, author, text, (start - timedelta(minutes=47 * age)).isoformat())
        for age, (wall, author, text) in zip(range(len(POSTS), 0, -1), POSTS, strict=True)
    ]
    with closing(connect(path)) as db:
        db.executescript(SCHEMA)
        db.executemany("INSERT INTO person VALUES (?, ?, ?, ?)", PEOPLE)
        db.executemany("INSERT INTO friendship VALUES (?, ?)", [*FRIENDS, *((other, one) for one, other in FRIENDS)])
        db.executemany("INSERT INTO post (wall, author, text, at) VALUES (?, ?, ?, ?)", posts)
        db.executemany("INSERT INTO photo (owner, seed, caption) VALUES (?, ?, ?)", PHOTOS)
        db.executemany("INSERT INTO visit VALUES (?, ?, ?, ?)", [(*visit, start.isoformat()) for visit in VISITS])
        db.commit()


def now() -> datetime:
    """Return the current time in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
