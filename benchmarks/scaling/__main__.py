"""Print the tables of docs/scaling.md, from the measured constants; or measure the constants on this machine.

python -m benchmarks.scaling                      # all tables
python -m benchmarks.scaling --table waits        # one of them
python -m benchmarks.scaling --write              # write them into docs/scaling.md
python -m benchmarks.scaling --measure            # measure the constants anew; Linux, with a Redis server
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks.scaling.constants import FILE, read
from benchmarks.scaling.measure import measure
from benchmarks.scaling.tables import PAGE, TABLES, into_page

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the constants, and write them")
    parser.add_argument("--table", choices=TABLES, action="append", help="print this table only; may be repeated")
    parser.add_argument("--write", action="store_true", help="write all tables into the page")
    told = parser.parse_args(arguments)
    if told.measure:
        measure().write()
        print(FILE.read_text())
        return 0
    constants = read()
    if told.write:
        PAGE.write_text(into_page(PAGE.read_text(), constants))
        return 0
    for name in told.table or TABLES:
        print(f"{name}\n\n{TABLES[name](constants)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
