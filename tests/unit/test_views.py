from __future__ import annotations

import functools
import inspect
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI

from accelerator.notes import Notes, cache_for, start_noting, stop_noting
from accelerator.views import cached
from tests.support import ask
from tests.unit.support import told


def test_cached_says_its_times_and_its_tags_before_a_sync_view(notes: Notes) -> None:
    @cached(60, tags=["user:{user_id}", "posts"], stale_while_revalidate=30, stale_if_error=600, public=True)
    def view(user_id: int) -> str:
        return f"{user_id} {notes.tags}"

    assert view(42) == "42 ['user:42', 'posts']"
    assert told(notes) == (60, 30, 600, True)


@pytest.mark.anyio
async def test_cached_says_its_times_and_its_tags_before_an_async_view() -> None:
    @cached(60, tags=["user:{user_id}"])
    async def view(user_id: int) -> str:
        return f"{user_id} {heard.tags}"

    heard = Notes()
    token = start_noting(heard)
    assert await view(user_id=42) == "42 ['user:42']"
    stop_noting(token)
    assert told(heard) == (60, None, None, False)
    assert inspect.iscoroutinefunction(view)


def test_what_a_view_says_itself_wins_over_cached(notes: Notes) -> None:
    @cached(60, public=True)
    def view() -> None:
        cache_for(5)

    view()
    assert told(notes) == (5, None, None, False)


def test_cached_without_templates_does_not_look_at_the_arguments(notes: Notes) -> None:
    @cached(60)
    def view(*parts: int) -> int:
        return sum(parts)

    assert view(1, 2) == 3
    assert notes.tags == []


class User:
    def __init__(self, name: str) -> None:
        self.name = name
        self.groups = ["g1", "g2"]


def test_templates_are_filled_from_bound_arguments_defaults_attributes_and_items(notes: Notes) -> None:
    @cached(60, tags=["{user.name}", "{user.groups[1]}", "page:{page:03}", "{page!r}", "{{}}", "{more[x]}", "{rest}"])
    def view(user: User, *rest: int, page: int = 7, **more: str) -> None:
        """Nothing to show."""

    view(User("ada"), x="y")
    assert notes.tags == ["ada", "g2", "page:007", "7", "{}", "y", "()"]


def test_a_single_template_may_stand_without_a_list(notes: Notes) -> None:
    @cached(60, tags="posts")
    def view() -> None:
        """Nothing to show."""

    view()
    assert notes.tags == ["posts"]


def test_templates_given_by_a_generator_serve_every_call(notes: Notes) -> None:
    @cached(60, tags=(name for name in ["a", "b"]))
    def view() -> None:
        """Nothing to show."""

    view()
    view()
    assert notes.tags == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    "template", ["user:{other}", "{}", "{0}", "{", "}", "{user_id", "{other.name}", "{other[0]}", "{user_id:{other}}"]
)
def test_a_template_that_names_no_argument_or_is_malformed_is_a_value_error_at_once(template: str) -> None:
    def view(user_id: int) -> None:
        raise AssertionError(user_id)

    with pytest.raises(ValueError, match=r"."):
        cached(60, tags=[template])(view)


def test_a_template_that_is_no_text_is_a_type_error_at_once() -> None:
    with pytest.raises(TypeError, match="a tag is a str"):
        cached(60, tags=[42])  # type: ignore[list-item]


def test_a_view_called_with_wrong_arguments_raises_what_it_would_raise_itself(notes: Notes) -> None:
    @cached(60, tags=["user:{user_id}"])
    def view(user_id: int) -> None:
        raise AssertionError(user_id)

    with pytest.raises(TypeError, match="user_id"):
        view()  # type: ignore[call-arg]
    assert notes.tags == []


def test_cached_keeps_name_docstring_and_signature() -> None:
    def view(user_id: int, page: int = 1) -> str:
        """Show a page."""
        return f"{user_id} {page}"

    wrapped = cached(60)(view)
    assert (wrapped.__name__, wrapped.__doc__) == ("view", "Show a page.")
    assert inspect.signature(wrapped) == inspect.signature(view, eval_str=True)


def test_cached_leaves_annotations_that_only_type_checkers_know_as_they_are() -> None:
    def view(user: NotThere) -> None:  # type: ignore[name-defined]  # noqa: F821 - that is the point
        """Show a page."""

    assert inspect.signature(cached(60)(view)).parameters["user"].annotation == "NotThere"


def test_cached_awaits_an_object_whose_call_is_async() -> None:
    class View:
        async def __call__(self, user_id: int) -> int:
            return user_id

    wrapped = cached(60)(View())
    assert inspect.iscoroutinefunction(wrapped)


def test_cached_wraps_partials_of_async_views_as_async_views() -> None:
    async def view(user_id: int) -> None:
        raise AssertionError(user_id)

    assert inspect.iscoroutinefunction(cached(60, tags=["{user_id}"])(functools.partial(view, user_id=1)))


def reader() -> str:
    return "ada"


Reader = Annotated[str, Depends(reader)]
"""Known to this module alone: FastAPI has to resolve the text of the annotation here."""


@pytest.mark.anyio
async def test_fastapi_sees_the_signature_behind_cached() -> None:
    api = FastAPI()

    @api.get("/sync/{user_id}")
    @cached(60, tags=["user:{user_id}"])
    def sync_view(user_id: int, name: Reader, page: int = 1) -> dict[str, object]:
        return {"user": user_id, "name": name, "page": page}

    @api.get("/async/{user_id}")
    @cached(60, tags=["user:{user_id}"])
    async def async_view(user_id: int, name: Reader, page: int = 1) -> dict[str, object]:
        return {"user": user_id, "name": name, "page": page}

    for path in ("/sync/42?page=3", "/async/42?page=3"):
        answer = await ask(api, path)
        assert (answer.status, answer.body) == (200, b'{"user":42,"name":"ada","page":3}')
    assert (await ask(api, "/sync/nobody")).status == 422
