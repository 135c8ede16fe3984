"""docs/metrics.md and the dashboard name the metrics that there are, and what the page shows runs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import sentry_sdk
from httpx import ASGITransport, AsyncClient
from prometheus_client.parser import text_string_to_metric_families as families_of

from accelerator.metrics.catalogue import METRICS, PREFIX
from tests.docs.support import blocks_of, run
from tests.wsgi.servers import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()
DASHBOARD = json.loads((ROOT / "docs" / "assets" / "grafana-dashboard.json").read_text())
NAME = re.compile(r"\baccelerator_\w+")
ROWS = re.findall(r"^\| `(accelerator_\w+)` \| (\w+) \| ?(.*?) ?\| (.+) \|$", PAGE, re.MULTILINE)
TYPES = {"counter": "counter", "gauge": "gauge", "sum": "gauge", "histogram": "histogram"}


def samples() -> set[str]:
    """The names that Prometheus has, with those of the parts of histograms."""
    parts = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {f"{PREFIX}_{metric.family}{end}" for metric in METRICS for end in parts.get(metric.type, [""])}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_the_table_has_each_metric_with_its_type_labels_and_meaning() -> None:
    told = {name: (kind, re.findall(r"`(\w+)`", labels), meaning) for name, kind, labels, meaning in ROWS}
    assert told == {
        f"{PREFIX}_{metric.family}{'_total' if metric.type == 'counter' else ''}": (
            TYPES[metric.type],
            [*metric.labels],
            metric.help.rstrip("."),
        )
        for metric in METRICS
    }


def test_alerts_and_dashboard_use_metrics_that_there_are() -> None:
    alerts = PAGE.partition("```yaml")[2].partition("```")[0]
    assert len(set(NAME.findall(alerts))) > 8
    assert set(NAME.findall(alerts)) <= samples()
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    used = set(NAME.findall(" ".join(queries)))
    assert used <= samples()
    shown = {f"{PREFIX}_{metric.family}" for metric in METRICS}
    without = {name for name in shown if not any(each.startswith(name) for each in used)}
    assert without == {"accelerator_complete", "accelerator_start_time_seconds"}


def test_a_call_downstream_that_failed_is_no_alarm_for_it_is_repeated_but_what_keeps_waiting_is() -> None:
    alerts = PAGE.partition("```yaml")[2].partition("```")[0]
    assert "accelerator_fanout_failed_total" not in alerts
    assert re.search(r"expr: accelerator_fanout_waiting > 0\n +for: 10m\n", alerts)


def test_what_is_told_downstream_is_counted_in_keys_and_calls_as_figures_count_it() -> None:
    fanout = {metric.name: (metric.unit, metric.help) for metric in METRICS if metric.name.startswith("fanout.")}
    assert {name: unit for name, (unit, _) in fanout.items()} == {
        "fanout.sent": "{key}",
        "fanout.failed": "{call}",
        "fanout.waiting": "{key}",
    }
    assert "sent again" in fanout["fanout.failed"][1]
    legends = {
        NAME.findall(target["expr"])[0]: target["legendFormat"]
        for panel in panels()
        for target in panel["targets"]
        if "accelerator_fanout" in target["expr"]
    }
    assert legends == {
        "accelerator_fanout_sent_total": "{{downstream}}: keys sent each second",
        "accelerator_fanout_failed_total": "{{downstream}}: calls that failed",
        "accelerator_fanout_waiting": "{{downstream}}: keys waiting",
    }


def test_the_dashboard_can_be_imported() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    assert DASHBOARD["schemaVersion"] >= 39
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    text = json.dumps(DASHBOARD["panels"])
    assert set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"} == variables
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            assert target["expr"].count("{") == target["expr"].count("}")


def test_no_panel_lies_over_another_one() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.anyio
async def test_what_the_page_shows_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    first, several, otel, sentry = blocks_of("metrics.md")
    notes: dict[str, Any] = {}
    run(first, notes)

    notes["app"].get("/page")(lambda: "page")

    async with AsyncClient(transport=ASGITransport(notes["site"]), base_url="https://example.org") as client:
        for _ in range(3):
            await client.get("/page")
        shown = {family.name: family for family in families_of((await client.get("/metrics")).text)}
        again = await client.get("/metrics")
    assert "; hit" not in again.headers["cache-status"]
    found = {sample.labels["reason"]: sample.value for sample in shown["accelerator_requests"].samples}
    assert found["no explicit time"] == 3
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    run(several, notes)
    assert "accelerator_requests_total" in notes["generate_latest"](notes["registry"]).decode()
    run(otel, notes)
    run(sentry, notes)
    async with AsyncClient(transport=ASGITransport(notes["site"]), base_url="https://example.org") as client:
        with sentry_sdk.new_scope():
            assert (await client.get("/page")).text == '"page"'
