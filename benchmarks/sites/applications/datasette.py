"""Two databases as Datasette shows them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from datasette.app import Datasette
from datasette_auth_passwords.utils import hash_password

if TYPE_CHECKING:
    from pathlib import Path

USERS: Final = ("ann", "bob")

DATA: Final = """
create table families (id integer primary key, name text);
create table plants (id integer primary key, name text, family integer references families(id), height real);
create table letters (id integer primary key, content text);
insert into families values (1, 'Rosaceae'), (2, 'Poaceae'), (3, 'Fabaceae');
with recursive n(i) as (select 1 union all select i + 1 from n where i < 150)
  insert into plants select i, 'plant ' || i, i % 3 + 1, i / 7.0 from n;
insert into letters values (1, 'Dear Ann, ...');
create view tall as select * from plants where height > 10;
"""
FIXED: Final = "create table numbers (n integer, name text); insert into numbers values (1, 'one'), (2, 'zw\u00f6lf');"


def prepare(home: Path) -> None:
    """Make the databases."""
    for name, script in {"data": DATA, "fixed": FIXED}.items():
        with closing(sqlite3.connect(home / f"{name}.db")) as database:
            database.executescript(script)


def application(home: Path) -> Any:
    """Return Datasette for them. It says `max-age` itself, for a minute."""
    passwords = {f"{name}_password_hash": hash_password(f"of {name}") for name in USERS}
    metadata = {
        "title": "Databases",
        "databases": {
            "data": {
                "tables": {"letters": {"allow": {"id": "ann"}}},
                "queries": {"short": {"sql": "select * from plants where height < :height", "title": "short plants"}},
            }
        },
        "plugins": {"datasette-auth-passwords": passwords},
    }
    return Datasette(
        files=[str(home / "data.db")],
        immutables=[str(home / "fixed.db")],
        metadata=metadata,
        settings={"default_cache_ttl": 60},
        secret="for the site only",  # noqa: S106 - made up
    ).app()
