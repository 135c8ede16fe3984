"""What a server runs."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.middleware.gzip import GZipMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.gateway.site.settings")
GZipMiddleware.max_random_bytes = 0  # else no two answers have the same bytes
application = get_wsgi_application()
