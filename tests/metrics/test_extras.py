"""Where an extra is missing, its module says which one to install."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("accelerator.metrics.prometheus", "prometheus_client.core", "prometheus"),
        ("accelerator.metrics.opentelemetry", "opentelemetry.metrics", "opentelemetry"),
    ],
)
def test_a_missing_extra_is_named(module: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module(module)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ImportError, match=rf'pip install "asgi-accelerator\[{extra}\]"'):
        import_module(module)
