"""The project of `django-admin startproject yourproject`, with tables and users; `PYTHONPATH` has its folder."""

from __future__ import annotations

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - Django wants its settings first
from django.core.management import call_command  # noqa: E402
from yourproject.wsgi import application as application  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
for name in ("ada", "bob"):
    get_user_model().objects.create_superuser(name, password=f"{name}'s")
