"""The project's own package, unchanged, on one machine: photos in, a model served, or the reasons why not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import urllib3

import components
from binocular import datasets, registry
from binocular.parts import gateway_token, gateway_url
from binocular.progress import latest
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from pipeline.cluster import Cluster
from pipeline.compile import package
from tests.machine import Machine
from tests.servers import wait_until

NAME = "photos"


@pytest.fixture
def machine(trained_machine: Machine) -> Machine:
    return trained_machine


def pipeline(machine: Machine, **parameters: object) -> tuple[int, str]:
    given = {"architecture": "small_cnn", "epochs": 24, "augmentation": "none", **parameters}
    flags = [argument for name, value in given.items() for argument in ("-p", f"{name}={value}")]
    return machine.run("run", *flags)


def run_id(output: str) -> str:
    found = re.search(r"^run ([0-9a-f-]{36})", output, re.MULTILINE)
    assert found, output
    return found[1]


def steps(machine: Machine, run: str) -> dict[str, str]:
    """Each step of a run and how it ended."""
    _, output = machine.run("runs", run)
    known = ("ingest", "validate", "train", "evaluate", "export", "record-rejection")
    lines = [line.split() for line in output.splitlines()]
    return {word: " ".join(words) for words in lines for word in words if word in known}


def test_a_first_model_is_published_promoted_and_served(machine: Machine) -> None:
    store = machine.store()
    assert registry.versions(store, NAME)[0] == 1
    url = f"http://127.0.0.1:{machine.settings.model_rest_port}/v1/models/{NAME}"

    def served() -> bool:
        try:
            answer = urllib3.request("GET", url, retries=False, timeout=2)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200 and "AVAILABLE" in {
            each["state"] for each in json.loads(answer.data)["model_version_status"]
        }

    wait_until(served, 60)
    facts = registry.facts(store, NAME, 1)
    images = [[[[120] * 3] * facts.width] * facts.height]
    answer = urllib3.request("POST", f"{url}:predict", json={"instances": images}, timeout=30)
    (told,) = json.loads(answer.data)["predictions"]
    probabilities = told["probabilities"]
    assert len(probabilities) == len(facts.classes)
    assert -1 <= told["familiarity"] <= 1
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)


def test_a_person_asks_what_a_photo_shows_and_trains_again(machine: Machine, photos: Path) -> None:
    photo = next((photos / "glass").iterdir())
    code, output = machine.run("predict", "--wait", "60", str(photo))
    assert (code, f"{photo}: " in output, "version 1" in output) == (0, True, True), output
    assert machine.run("predict", str(photos / "nothing.jpg"))[0] == 2

    flags = ("-p", "architecture=small_cnn", "-p", "epochs=1", "-p", 'gate={"min_accuracy": 1.0}')
    code, output = machine.run("retrain", *flags)
    assert code == 0, output
    run = run_id(output)
    code, output = machine.run("retrain", *flags)
    assert (code != 0, run in output) == (True, True), output
    wait_until(lambda: registry.decision(machine.store(), NAME, run), 240)
    wait_until(lambda: "SUCCEEDED" in machine.run("runs", run)[1].upper(), 60)


def test_the_decision_is_on_record_with_the_pages_it_rests_on(machine: Machine) -> None:
    store = machine.store()
    first = next(each for each in registry.decisions(store, NAME) if each.version == 1)

    assert first.verdict.decision == "promote"
    for name, uri in first.artifacts.items():
        prefix = uri.removeprefix(f"minio://{machine.settings.store_bucket}/")
        assert next(store.entries(prefix), None), name


def test_the_gateway_shows_the_run_and_what_it_left(machine: Machine) -> None:
    first = next(each for each in registry.decisions(machine.store(), NAME) if each.version == 1)
    url = f"{gateway_url(machine.settings)}/v1/runs/{first.run}"

    def get(path: str) -> Any:
        headers = {"Authorization": f"Bearer {gateway_token(machine.settings)}"}
        answer = urllib3.request("GET", f"{url}{path}", headers=headers, timeout=30, retries=False)
        assert answer.status == 200, answer.data
        return answer

    run = get("").json()
    names = {step["path"]: step["name"] for step in run["steps"]}
    edges = [(step["name"], [names[path] for path in step["after"]], step["state"]) for step in run["steps"]]
    assert edges == [
        ("ingest", [], "SUCCEEDED"),
        ("validate", ["ingest"], "SUCCEEDED"),
        ("train", ["validate"], "SUCCEEDED"),
        ("evaluate", ["train"], "SUCCEEDED"),
        ("export", ["evaluate"], "SUCCEEDED"),
        ("record-rejection", ["evaluate"], "SKIPPED"),
    ]
    assert (run["decision"], run["version"], run["changed"]["epochs"]) == ("promote", 1, 0)
    assert get("/validation").json()["passed"]
    training = get("/training").json()
    assert len(training["history"]) == 8
    evaluation = get("/evaluation").json()
    assert sum(map(sum, evaluation["candidate"]["confusion"])) == evaluation["images"]
    for step in ("validate", "train", "evaluate"):
        assert get(f"/reports/{step}").data.startswith(b"<!doctype html>")
    text = get("/steps/train/log").json()["text"]
    told = latest(text)
    assert told is not None
    assert (told.total, told.unit) == (8, "epochs")


def test_a_model_that_is_not_good_enough_is_turned_away_and_what_has_not_changed_is_not_done_again(
    machine: Machine,
) -> None:
    before = registry.production(machine.store(), NAME)
    wanted = {"epochs": 1, "gate": json.dumps({"min_accuracy": 1.0, "min_macro_f1": 1.0})}

    runs = []
    for _ in range(2):
        code, output = pipeline(machine, **wanted)
        assert code == 0, output
        assert "reject" in output
        runs.append(run_id(output))

    for run in runs:
        decided = registry.decision(machine.store(), NAME, run)
        assert decided is not None
        assert decided.version is None
        assert any(not reason.passed for reason in decided.verdict.reasons)
    assert registry.production(machine.store(), NAME) == before
    again = steps(machine, runs[1])
    known = {name for name, line in again.items() if "result was known" in line}
    assert known == {"validate", "train", "evaluate"}, again


def test_a_package_whose_workers_share_the_photos_comes_to_a_snapshot_and_a_report(
    machine: Machine, photos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "shared.yaml"
    path.write_text(package(components.IMAGE, Cluster(shards=2)))

    # Nothing is enough for it, so that it stops where the shares have come together.
    wanted = {"name": "shared", "source": photos, "thresholds": '{"least_images_per_class": 10000}'}
    flags = [part for name, value in wanted.items() for part in ("-p", f"{name}={value}")]
    code, output = machine.run("run", str(path), *flags)

    assert (code != 0, "Add photos" in output) == (True, True), output
    reference = datasets.latest(machine.store(), "shared")
    assert reference is not None
    assert len(list(machine.store().entries(f"measures/{reference.prefix}/"))) == 2
    headers = {"Authorization": f"Bearer {gateway_token(machine.settings)}"}
    url = f"{gateway_url(machine.settings)}/v1/runs/{run_id(output)}"
    told = urllib3.request("GET", url, headers=headers, timeout=30, retries=False).json()
    assert [(step["name"], step["state"]) for step in told["steps"]][:4] == [
        ("examine", "SUCCEEDED"), ("ingest", "SUCCEEDED"), ("measure", "SUCCEEDED"), ("validate", "FAILED")
    ]  # fmt: skip


def test_data_that_is_not_fit_stops_the_run_naming_what_to_do_and_keeps_the_report(
    machine: Machine, tmp_path: Path
) -> None:
    draw(tmp_path / "few", Spec(images=3, size=64))

    code, output = pipeline(machine, source=tmp_path / "few", name="few")

    assert code != 0
    assert "Add photos" in output
    key = re.search(r"the report is minio://[^/]+/(\S+)", output)
    assert key, output
    assert b"Not fit to train on" in machine.store().read(key[1]).data
