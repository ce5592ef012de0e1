"""The dashboard and the alerts ask for metrics that are there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import metrics as of_gateway
from serving.server.metrics import Metrics as OfServer
from serving.server.models import Models, Retries
from serving.sync.following import Status
from serving.sync.metrics import Metrics as OfPuller

FOLDER = Path(__file__).parents[2] / "manifests" / "components" / "monitoring"
# A metric's name, as PromQL has it: what is followed by labels, a range, or nothing that a function would be.
NAME = re.compile(r"(?<![\w$\"])((?:binocular_|:tensorflow:)[\w:]+)")
# What Prometheus makes of a histogram or a summary.
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


def pages() -> Iterator[str]:
    """What each part exports, as it would be scraped."""
    yield of_gateway.page().decode()
    puller = OfPuller()
    puller.watch(lambda: [Status("photos", offered=1, wanted=2, reason="disk", problem="full", synced=1.0)])
    yield puller.page().decode()

    def never(*_: object) -> Any:
        raise AssertionError("nothing is loaded here")

    yield OfServer(Models(never, Retries(0, 0))).page().decode()


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """The name of every series that could be asked for."""
    names = set()
    for page in pages():
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE):
            names |= {name + part for part in PARTS.get(kind, ("",))}
    return names


def alerts() -> list[dict[str, Any]]:
    rule = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    return [alert for group in rule["spec"]["groups"] for alert in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    return list(dashboard["panels"])


def test_every_metric_of_an_alert_is_exported(exported: set[str]) -> None:
    for alert in alerts():
        asked = set(NAME.findall(alert["expr"]))
        assert asked, alert["alert"]
        assert asked <= exported, alert["alert"]


def test_every_metric_of_a_panel_is_exported(exported: set[str]) -> None:
    for panel in panels():
        asked = {name for target in panel["targets"] for name in NAME.findall(target["expr"])}
        assert asked, panel["title"]
        assert asked <= exported, panel["title"]


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(alert["annotations"]) == {"summary", "description"}, alert["alert"]
        assert re.fullmatch(r"\d+[mh]", alert["for"]), alert["alert"]


def test_no_two_panels_lie_on_each_other() -> None:
    squares = [
        (panel["gridPos"]["x"] + right, panel["gridPos"]["y"] + down)
        for panel in panels()
        for right in range(panel["gridPos"]["w"])
        for down in range(panel["gridPos"]["h"])
    ]
    assert len(squares) == len(set(squares))
    assert len({panel["id"] for panel in panels()}) == len(panels())
