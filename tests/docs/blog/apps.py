from importlib import import_module

from django.apps import AppConfig


class Blog(AppConfig):  # type: ignore[misc]  # Django ships no types
    name = "tests.docs.blog"

    def ready(self) -> None:
        import_module("yourproject.signals")
