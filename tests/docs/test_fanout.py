"""docs/fanout.md: what its code says does what its text says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response

from accelerator import ASGIAccelerator, MemoryStore, cache_for, tag
from accelerator.fanout import sender, waiting
from accelerator.fanout.targets import Cloudflare, Fastly, Varnish
from accelerator.rules import sent_tags
from tests.docs.support import blocks_of, run
from tests.fanout.edges import TOKEN
from tests.support import ask

FIRST, VIEW, TWO = blocks_of("fanout.md")
PAGE = (Path(__file__).parents[2] / "docs" / "fanout.md").read_text()

pytestmark = pytest.mark.anyio


async def test_the_store_tells_fastly_and_pages_go_out_with_their_keys_and_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FASTLY_TOKEN", TOKEN)
    notes: dict[str, Any] = {"app": FastAPI(), "Response": Response, "cache_for": cache_for, "tag": tag}
    run(VIEW, notes)
    run(
        FIRST.replace('RedisStore("redis://localhost:6379/0")', "MemoryStore()").replace("RedisStore", "MemoryStore"),
        notes,
    )
    assert notes["app"].figures()["store"]["fanout"] == {"Fastly": {"sent": 0, "failed": 0, "waiting": 0}}
    for _ in range(2):
        answer = await ask(notes["app"], "/users/42")
        assert answer.get("surrogate-key") == "@url:example.org/users/42 user:42"
        assert answer.get("surrogate-control") == "max-age=3600"
        assert answer.get("cache-control") == "no-cache"


def test_two_varnishes_have_names_of_their_own() -> None:
    notes: dict[str, Any] = {"app": FastAPI(), "store": MemoryStore(), "ASGIAccelerator": ASGIAccelerator}
    run(TWO, notes)
    assert notes["fan_out"].figures().keys() == {"left", "right"}


def test_its_numbers_are_those_of_the_code() -> None:
    said = " ".join(PAGE.split())
    for kind, most in ((Fastly, "256 keys"), (Cloudflare, "100 tags"), (Varnish, "60 keys")):
        assert f"{kind.max_keys} {most.split()[1]}" == most
        assert f"{most} by one call" in said
    assert f"If more than {waiting.MAX_WAITING:,} wait" in said
    assert f"one line of {sent_tags.MAX_LINE_BYTES:,} bytes" in said
    assert f"more than {sent_tags.MAX_KEY_BYTES} characters" in said
    assert f"the key `{sent_tags.MORE}`" in said
    assert sent_tags.key_of("two words") == "two%20words"
    assert (sender.FIRST_PAUSE, sender.MAX_PAUSE) == (0.5, 60)


def test_the_log_says_what_it_shows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "accelerator")
    one = sender.Sender(Fastly("a", TOKEN), None)
    failure = sender._Failure("it answered 401")
    one._after(waiting.EVERYTHING, 0.0, is_second=False, failure=failure)
    assert f"> {caplog.messages[0]}" in PAGE


def test_the_vcl_reads_what_the_calls_say() -> None:
    vcl = PAGE.partition("```vcl\n")[2].partition("```")[0]
    for word in ('"PURGE"', '"BAN"', "req.http.xkey-softpurge", "req.http.xkey-purge", "unset resp.http.xkey;"):
        assert word in vcl
    assert vcl.count("{") == vcl.count("}")
