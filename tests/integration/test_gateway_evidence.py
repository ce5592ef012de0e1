"""What the steps of a run wrote, through the gateway: the graph, growing logs, pages in a sandbox, figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from binocular import registry
from binocular.settings import Settings
from binocular.store import Store, connect
from tests.gateway_server import BEARER, NAME, documented_app, settings_for
from tests.integration.test_registry import VERDICT
from tests.pipelines_server import PipelinesServer
from tests.sample_pipelines import compiled, evidence
from tests.servers import free_port, wait_until

PAGE = "<!doctype html><title>a page</title><script>parent.location = '/'</script>"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with steps of the names that the gateway knows, and what they leave."""
    return Path(compiled(evidence, tmp_path_factory.mktemp("package")))


@pytest.fixture(scope="module")
def settings(
    pipelines: PipelinesServer, embedded_store: Store, package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A gateway's settings; its bucket is the one that the pipelines API writes to."""
    changes = {"kfp_url": pipelines.url, "gateway_package": package}
    home = tmp_path_factory.mktemp("gateway") / "home"
    made = settings_for(home, embedded_store, **changes)
    return made.model_copy(update={"store_bucket": embedded_store.endpoint.bucket})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Any:
    """A gateway."""
    return documented_app(settings).test_client()


@pytest.fixture(scope="module")
def run_id(client: Any) -> str:
    """A run that has ended."""
    return ended(client, page=PAGE)


def begin(client: Any, **parameters: Any) -> str:
    answer = client.post("/v1/retrain", json={"parameters": parameters}, headers=BEARER)
    assert answer.status_code == 202, answer.text
    return str(answer.json["run_id"])


def ended(client: Any, **parameters: Any) -> str:
    return wait_for(client, begin(client, **parameters))


def wait_for(client: Any, run_id: str) -> str:
    wait_until(lambda: client.get(f"/v1/runs/{run_id}").json["state"] in {"SUCCEEDED", "FAILED"})
    return run_id


def test_a_run_is_a_graph_without_its_groups(client: Any, run_id: str) -> None:
    run = client.get(f"/v1/runs/{run_id}").json
    assert run["state"] == "SUCCEEDED", run
    steps = {step["name"]: step for step in run["steps"]}
    after = {step["path"]: step["name"] for step in run["steps"]}
    assert {name: [after[path] for path in step["after"]] for name, step in steps.items()} == {
        "validate": [],
        "train": ["validate"],
        "evaluate": ["train"],
        "export": ["evaluate"],
        "record-rejection": ["evaluate"],
    }
    assert {name: step["state"] for name, step in steps.items() if step["state"] != "SUCCEEDED"} == {
        "record-rejection": "SKIPPED"
    }
    assert steps["validate"]["started_at"] <= steps["validate"]["finished_at"] <= steps["train"]["started_at"]
    assert (run["changed"], run["parameters"]["page"]) == ({"page": "", "name": "photos"}, PAGE)


def test_a_log_is_read_in_pieces_that_fit_together(client: Any, run_id: str) -> None:
    path = f"/v1/runs/{run_id}/steps/train/log"
    whole = client.get(path).json
    assert "größer als ein Byte" in whole["text"]
    assert (whole["start"], whole["next"], whole["ended"]) == (0, whole["size"], True)
    middle = whole["text"].encode().index("ö".encode()) + 1  # inside of a character
    tail = client.get(f"{path}?from={middle - whole['size']}").json
    assert (tail["start"], tail["next"]) == (middle, whole["size"])
    anew = client.get(f"{path}?from={whole['size'] + 1000}").json
    assert (anew["start"], anew["text"]) == (0, whole["text"])
    rest = client.get(f"{path}?from={whole['next']}").json
    assert (rest["text"], rest["next"], rest["ended"]) == ("", whole["size"], True)
    assert client.get(f"{path}?from=x").status_code == 400


def test_progress_and_a_growing_log_are_told_while_a_step_runs(client: Any, tmp_path: Path) -> None:
    gate = tmp_path / "go on"
    running = begin(client, page="live", until=str(gate))

    def train() -> Any:
        return next(step for step in client.get(f"/v1/runs/{running}").json["steps"] if step["name"] == "train")

    try:
        wait_until(lambda: "progress" in train())
        progress = train()["progress"]
        assert (progress["event"], progress["done"], progress["total"], progress["unit"]) == (
            "head",
            1.5,
            4,
            "epochs",
        )
        assert progress["figures"] == {"loss": 0.5}
        first = client.get(f"/v1/runs/{running}/steps/train/log").json
        assert not first["ended"]
    finally:
        gate.touch()
    wait_for(client, running)
    rest = client.get(f"/v1/runs/{running}/steps/train/log?from={first['next']}").json
    assert "that was all" in rest["text"]
    assert rest["ended"]
    assert "progress" not in train()


def test_a_page_is_served_in_a_sandbox_of_its_own(client: Any, run_id: str) -> None:
    for step in ("validate", "train", "evaluate"):
        answer = client.get(f"/v1/runs/{run_id}/reports/{step}", headers=BEARER)
        assert client.get(f"/v1/runs/{run_id}/reports/{step}").status_code == 401
        assert (answer.status_code, answer.text) == (200, PAGE)
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert policy[:2] == ["sandbox", "default-src 'none'"]
        assert "frame-ancestors 'self'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.content_type == "text/html; charset=utf-8"


def test_figures_are_taken_from_what_the_steps_left(client: Any, run_id: str) -> None:
    validation = client.get(f"/v1/runs/{run_id}/validation").json
    assert (validation["passed"], validation["images"], validation["findings"][0]["check"]) == (True, 6, "blurred")
    training = client.get(f"/v1/runs/{run_id}/training").json
    assert (training["image"], training["history"][0]["loss"]) == ([8, 8], 0.5)
    evaluation = client.get(f"/v1/runs/{run_id}/evaluation").json
    assert (evaluation["images"], evaluation["fixed"]) == (4, 1)
    assert evaluation["candidate"]["confusion"] == [[2, 0], [1, 1]]
    assert "recall" not in evaluation["candidate"]["classes"][1]


def test_a_result_that_was_known_is_read_where_it_was_made(client: Any, run_id: str) -> None:
    again = ended(client, page=PAGE, seed=1)
    steps = {step["name"]: step for step in client.get(f"/v1/runs/{again}").json["steps"]}
    assert steps["validate"]["cached"]
    assert client.get(f"/v1/runs/{again}/reports/validate", headers=BEARER).text == PAGE
    assert client.get(f"/v1/runs/{again}/validation").json == client.get(f"/v1/runs/{run_id}/validation").json


def test_where_the_pipelines_api_tells_nothing_the_decision_or_the_store_does(
    client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Kubeflow, whose tasks have no inputs and outputs."""
    silent = ended(client, page="another page")
    monkeypatch.setattr("gateway.evidence.steps", lambda _: [])
    assert client.get(f"/v1/runs/{silent}/reports/evaluate", headers=BEARER).text == "another page"
    store = connect(settings)
    store.put("elsewhere/report", b"as decided")
    there = f"minio://{settings.store_bucket}/elsewhere/report"
    registry.record(store, NAME, silent, VERDICT, None, {"report": there})
    other = documented_app(settings).test_client()
    assert other.get(f"/v1/runs/{silent}/reports/evaluate", headers=BEARER).text == "as decided"


def test_a_step_that_failed_says_why_in_its_own_words_and_keeps_its_report(client: Any) -> None:
    failed = ended(client, page="unfit")
    run = client.get(f"/v1/runs/{failed}").json
    assert run["state"] == "FAILED"
    step = run["steps"][0]
    assert (step["name"], step["state"]) == ("validate", "FAILED")
    assert step["error"].endswith("not fit to train on")
    assert "ERROR" not in step["error"]
    assert {each["state"] for each in run["steps"][1:]} == {"SKIPPED"}
    assert client.get(f"/v1/runs/{failed}/reports/validate", headers=BEARER).text == "unfit"


def test_what_is_not_there_is_not_found_and_what_is_damaged_is_said_to_be(
    client: Any, run_id: str, settings: Settings
) -> None:
    for path in (
        "steps/nobody/log", "steps/record-rejection/log", "reports/export", "reports/nobody", "steps/..%2f/log",
    ):  # fmt: skip
        answer = client.get(f"/v1/runs/{run_id}/{path}", headers=BEARER)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found"), path
    for path in ("validation", "training", "evaluation", "reports/train", "steps/train/log"):
        assert client.get(f"/v1/runs/nobody/{path}", headers=BEARER).status_code == 404
    store = connect(settings)
    broken = ended(client, page="to be broken")
    (key,) = (entry.key for entry in store.entries() if re.search(f"/{broken}/.*/evaluation.json$", entry.key))
    for wrong in (b"{", b"[]", b"{}", json.dumps({"tested": 1, "candidate": {}}).encode()):
        store.put(key, wrong)
        answer = client.get(f"/v1/runs/{broken}/evaluation")
        assert (answer.status_code, answer.json["code"]) == (502, "integrity"), wrong


def test_reading_needs_what_predictions_need(settings: Settings, run_id: str) -> None:
    closed = documented_app(settings.model_copy(update={"gateway_open_predict": False})).test_client()
    for path in (
        "",
        f"/{run_id}",
        f"/{run_id}/steps/train/log",
        f"/{run_id}/reports/train",
        f"/{run_id}/training",
    ):
        assert closed.get(f"/v1/runs{path}").status_code == 401, path
        assert closed.get(f"/v1/runs{path}", headers=BEARER).status_code == 200, path


def test_the_pipeline_says_what_it_may_be_told(client: Any, settings: Settings, tmp_path: Path) -> None:
    found = client.get("/v1/pipeline").json
    assert [each["name"] for each in found["parameters"]] == ["page", "seed", "until"]
    ours = documented_app(settings.model_copy(update={"gateway_package": None})).test_client()
    answer: Any = ours.get("/v1/pipeline").json
    parameters = {each["name"]: each for each in answer["parameters"]}
    assert "name" not in parameters
    assert parameters["architecture"]["choices"] == ["mobilenet_v2", "efficientnet_v2_b0", "small_cnn"]
    assert (parameters["batch_size"]["default"], parameters["batch_size"]["most"]) == (0, 4096)
    assert {each["name"] for each in parameters["gate"]["members"]} >= {"min_accuracy", "max_accuracy_drop"}
    (tmp_path / "none.yaml").write_text("a: [")
    broken = documented_app(settings.model_copy(update={"gateway_package": tmp_path / "none.yaml"})).test_client()
    assert broken.get("/v1/pipeline").status_code == 400


def answering(client: Any) -> dict[str, bool]:
    found = client.get("/v1/status/parts")
    assert "127.0.0.1" not in found.text
    return {each["name"]: each["answers"] for each in found.json["parts"]}


def test_whether_every_part_answers_is_told(client: Any, settings: Settings) -> None:
    found = answering(client)
    assert found.pop("puller") in {True, False}  # whose default port it has is not ours to say
    assert found == {"store": True, "pipelines": True, "model": False}
    changes = {"kfp_url": f"http://127.0.0.1:{free_port()}", "model_address": f"127.0.0.1:{free_port()}"}
    elsewhere = documented_app(settings.model_copy(update=changes)).test_client()
    assert answering(elsewhere) == {"store": True, "pipelines": False, "model": False}
