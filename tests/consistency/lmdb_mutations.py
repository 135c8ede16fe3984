"""The ways to break the invalidation rule between processes that share a file, as changes of the source."""

from __future__ import annotations

from typing import Final

from tests.consistency.mutations import Change, Mutation

MODEL: Final = "test_lmdb_model.py::test_nothing_that_processes_do_to_one_file_breaks_the_promise"
SWEEPS: Final = "test_lmdb_model.py::test_no_record_is_dropped_that_an_entry_or_a_fill_needs"
RULES: Final = "test_lmdb_rules.py"
ORDER, OPENED, FILE = "stores/lmdb/order.py", "stores/lmdb/opened.py", "stores/lmdb/file.py"
WRITING: Final = "stores/lmdb/writing.py"
STORE, SWEEP, KNOWN = "stores/lmdb/store.py", "stores/lmdb/sweep.py", "stores/lmdb/known.py"


def processes(first: str, second: str, module: str) -> str:
    """Name the test of two processes."""
    test = "test_no_switch_between_processes_breaks_the_promise"
    return f"test_lmdb_interleavings.py::{test}[{first}-{second}-{module}]"


MUTATIONS: Final = [
    Mutation(
        "a snapshot taken before the request arrived",
        MODEL,
        Change(
            OPENED,
            "            txn = self.begin()\n",
            "            txn = _KEPT.get(self) or _KEPT.setdefault(self, self.begin())\n",
        ),
        Change(OPENED, "                txn.abort()\n\n    def mark_for", "                pass\n\n    def mark_for"),
        Change(OPENED, "\nclass View(", "\n_KEPT = {}\n\n\nclass View("),
    ),
    Mutation(
        "what is decoded served without a transaction",
        MODEL,
        Change(OPENED, "                if now != number:", "                if number < 0:"),
    ),
    Mutation(
        "what is decoded served by the position alone, after another process replaced it",
        MODEL,
        Change(
            OPENED,
            """
                    if txn.get(known.url) != known.value:
                        return None
""",
            "\n",
        ),
        Change(STORE, "    if value != known.value:\n", "    if known.value is None:\n"),
    ),
    Mutation(
        "what is decoded served over a new incarnation",
        f"{RULES}::test_what_was_decoded_of_files_of_before_is_forgotten",
        Change(
            OPENED,
            "        self.known: Recent[Key, Known] = Recent(MAX_KNOWN, MAX_KNOWN_BYTES)",
            "        self.known = _KNOWN.setdefault(place.path, Recent(MAX_KNOWN, MAX_KNOWN_BYTES))",
        ),
        Change(OPENED, "\nclass View(", "\n_KNOWN = {}\n\n\nclass View("),
        Change(
            KNOWN,
            """
        if self._mark.incarnation != order.incarnation:
            return False, False
""",
            "\n",
        ),
    ),
    Mutation(
        "a mark of another incarnation is taken for one of this",
        f"{RULES}::test_a_fill_that_began_on_files_of_before_is_refused",
        Change(ORDER, "if incarnation != order.incarnation or mark < order.floor:", "if mark < order.floor:"),
    ),
    Mutation(
        "check and insertion in two transactions",
        processes("end the running fill", "hard z, and drop its record", "store"),
        Change(
            STORE,
            "        value, url = pack(entry), url_key(entry.key)\n",
            """
        def is_refused(opened, txn):
            return not compare(txn.get, read_order(txn.get(ORDER_KEY)), entry, tag_keys(entry.tags))[0]

        if self._file.write(is_refused):
            return False
        value, url = pack(entry), url_key(entry.key)
""",
        ),
        Change(
            STORE,
            "from accelerator.uncopied import Uncopied\n",
            """
from accelerator.stores.lmdb.layout import tag_keys
from accelerator.stores.lmdb.order import ORDER_KEY, compare, read_order
from accelerator.uncopied import Uncopied
""",
        ),
        Change(WRITING, "is_stored = may_be_stored and self._put", "is_stored = self._put"),
    ),
    Mutation(
        "records dropped without raising the floor",
        SWEEPS,
        Change(ORDER, "order._replace(floor=floor, records=", "order._replace(records="),
    ),
    Mutation(
        "records dropped that entries need, before a whole pass",
        SWEEPS,
        Change(SWEEP, "min(progress.floor, order.position - MAX_RECORDS)", "order.position - MAX_RECORDS"),
        Change(SWEEP, "    found = entries.from_number(progress.number, count)\n", "    found = []\n"),
    ),
    Mutation(
        "what a dropped record said of a stale entry is forgotten",
        SWEEPS,
        Change(SWEEP, "            entries.make_stale(number, card)\n", "            pass\n"),
    ),
    Mutation(
        "what a dropped record said of an entry when that was stored is forgotten",
        f"{RULES}::test_an_entry_that_was_stale_when_it_was_stored_stays_so",
        Change(WRITING, "new_version(), is_stale)", "new_version())"),
    ),
    Mutation(
        "the pass counts from its end",
        SWEEPS,
        Change(SWEEP, "floor=progress.began)", "floor=order.position)"),
    ),
    Mutation(
        "removed files used on",
        MODEL,
        Change(OPENED, "if self._is_closed or not (self.is_named() and self._is_whole()):", "if self._is_closed:"),
        Change(FILE, "                if opened.is_named():\n", "                if True:\n"),
    ),
    Mutation(
        "an invalidation does not look whether the file is still there",
        f"{RULES}::test_an_invalidation_is_of_the_file_that_is_there",
        Change(FILE, "                if opened.is_named():\n", "                if True:\n"),
    ),
    Mutation(
        "an invalidation returns while others may still trust in files of before",
        f"{RULES}::test_an_invalidation_returns_when_nobody_trusts_in_files_of_before",
        Change(FILE, "                    opened.wait_until_seen()\n", "                    pass\n"),
    ),
    Mutation(
        "what was opened before a fork is used after it",
        f"{RULES}::test_a_child_uses_nothing_that_its_parent_has_opened",
        Change(
            FILE,
            "        if not forks.page[0]:\n            _after_fork_in_child()\n        opened =",
            "        opened =",
        ),
    ),
    Mutation(
        "an invalidation that failed is not acted upon in its own process",
        f"{RULES}::test_an_invalidation_that_failed_holds_in_its_process",
        Change(STORE, "            file.pending.add(tags, soft=soft)\n", ""),
    ),
    Mutation(
        "two positions become one: soft weakens hard",
        f"{RULES}::test_a_soft_invalidation_weakens_no_hard_one",
        Change(ORDER, "(hard_before, position) if soft", "(0, position) if soft"),
    ),
]
