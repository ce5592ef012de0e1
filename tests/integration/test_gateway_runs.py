"""Trainings, versions and the state of everything through the gateway, over the real pipelines API."""

import hashlib
import io
import socket
import time
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from binocular import registry, scheduling
from binocular.contributions import contribution_key
from binocular.errors import RequestError
from binocular.settings import Settings
from binocular.store import Store, connect
from gateway.retraining import LEASE_S, Lease
from tests.gateway_server import BEARER, NAME, GatewayServer, documented_app, picture, publish_facts, settings_for
from tests.integration.test_registry import VERDICT
from tests.pipelines_server import PipelinesServer
from tests.sample_pipelines import compiled, tiny
from tests.servers import drop_bucket, free_port, wait_until


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose one step waits for a file, if it is told one."""
    return Path(compiled(tiny, tmp_path_factory.mktemp("package")))


@pytest.fixture
def settings(
    pipelines: PipelinesServer, embedded_store: Store, package: Path, tmp_path: Path
) -> Iterator[Settings]:
    """A gateway's settings, with an empty bucket."""
    settings = settings_for(tmp_path / "home", embedded_store, kfp_url=pipelines.url, gateway_package=package)
    yield settings
    drop_bucket(connect(settings))


@pytest.fixture
def client(settings: Settings) -> Any:
    """A gateway."""
    return documented_app(settings).test_client()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file for which a training waits; it is let go at the end."""
    path = tmp_path / "go on"
    yield path
    path.touch()


def start(client: Any, key: str = "", **parameters: Any) -> Any:
    headers = BEARER | ({"Idempotency-Key": key} if key else {})
    return client.post("/v1/retrain", json={"parameters": parameters}, headers=headers)


def ended(client: Any, run_id: str) -> Any:
    """A run when it has ended."""
    wait_until(lambda: client.get(f"/v1/runs/{run_id}").json["state"] in {"SUCCEEDED", "FAILED", "CANCELED"})
    return client.get(f"/v1/runs/{run_id}").json


def lease(settings: Settings) -> Lease:
    key = f"retraining/{NAME}/lease.json"
    return Lease.parse(connect(settings).read(key).data, key)


def test_a_training_is_started_followed_and_found_in_the_list(client: Any) -> None:
    answer = client.post("/v1/retrain", headers=BEARER)
    assert answer.status_code == 202, answer.text
    run_id = answer.json["run_id"]
    assert answer.json["url"] == f"/v1/runs/{run_id}"
    run = ended(client, run_id)
    assert run["state"] == "SUCCEEDED"
    assert [(step["name"], step["state"]) for step in run["steps"]] == [("waits-for", "SUCCEEDED")]
    assert run["steps"][0]["seconds"] >= 0
    assert run["created_at"] <= run["finished_at"]
    assert "verdict" not in run
    assert client.get("/v1/runs?limit=1").json["runs"][0]["id"] == run_id


def test_a_second_training_is_refused_with_the_id_of_the_first(
    client: Any, settings: Settings, gate: Path
) -> None:
    first = start(client, until=str(gate)).json["run_id"]
    other = documented_app(settings).test_client()
    for each in (client, other):
        answer = start(each)
        assert (answer.status_code, answer.json["code"], answer.json["run_id"]) == (409, "retraining", first)
    gate.touch()
    ended(client, first)
    assert start(other).status_code == 202


def test_a_training_that_is_told_nothing_is_told_what_made_the_version_in_production(
    client: Any, settings: Settings, tmp_path: Path
) -> None:
    first = start(client, until=str(tmp_path)).json["run_id"]
    ended(client, first)
    version = publish_facts(connect(settings), tmp_path / "v", ["a", "b"], 96, first)
    assert promote(client, version).status_code == 200
    for body, until in ((None, str(tmp_path)), ({"parameters": {}}, "")):
        again = client.post("/v1/retrain", json=body, headers=BEARER).json["run_id"]
        assert ended(client, again)["parameters"]["until"] == until


def test_of_many_who_start_at_once_one_does(settings: Settings, gate: Path, pipelines: PipelinesServer) -> None:
    clients = [documented_app(settings).test_client() for _ in range(6)]
    before = len(pipelines.client().list_runs(page_size=100).runs or [])
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(partial(start, until=str(gate)), clients))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409, 409]
    assert len(pipelines.client().list_runs(page_size=100).runs) == before + 1


def test_a_request_that_is_sent_again_starts_nothing_again(client: Any, settings: Settings, gate: Path) -> None:
    first = start(client, "monday", until=str(gate)).json["run_id"]
    other = documented_app(settings).test_client()
    assert start(other, "monday", until=str(gate)).json["run_id"] == first
    gate.touch()
    ended(client, first)
    assert start(other, "monday", until=str(gate)).json["run_id"] == first
    reused = start(other, "monday", until="")
    assert (reused.status_code, reused.json["code"]) == (400, "request")
    assert start(other, "tuesday").json["run_id"] != first


def test_a_gateway_that_died_before_it_noted_the_run_does_not_start_two(
    client: Any, settings: Settings, gate: Path
) -> None:
    run_id = start(client, "monday", until=str(gate)).json["run_id"]
    store = connect(settings)
    store.put(f"retraining/{NAME}/lease.json", lease(settings).model_copy(update={"run_id": ""}).text().encode())
    store.delete_prefix(f"retraining/{NAME}/keys/")
    other = documented_app(settings).test_client()
    assert start(other).json["run_id"] == run_id
    assert start(other, "monday", until=str(gate)).json["run_id"] == run_id


def test_a_lease_without_a_run_holds_for_a_while_and_then_no_more(client: Any, settings: Settings) -> None:
    store, key = connect(settings), f"retraining/{NAME}/lease.json"
    left = Lease(id="somebody", taken=time.time(), key="", asked="")
    store.put(key, left.text().encode())
    assert start(client).json["code"] == "retraining"
    store.put(key, left.model_copy(update={"taken": time.time() - LEASE_S - 1}).text().encode())
    assert start(client).status_code == 202


def looked(client: Any) -> None:
    """Return when the gateway has looked whether a training is due."""
    automatic = client.application.extensions["binocular"].automatic
    wait_until(lambda: not automatic._asked)
    automatic._thread.submit(lambda: None).result(60)


def test_enough_new_images_start_one_training_and_never_a_loop(settings: Settings) -> None:
    changed = settings.model_copy(update={"gateway_retrain_after": 2})
    client: Any = documented_app(changed).test_client()
    other = documented_app(changed).test_client()

    def send(number: int) -> list[str]:
        """Send an image through both gateways; the runs there are once both have looked."""
        for each in (client, other):
            form = {"label": "glass", "files": (io.BytesIO(picture(number)), "a.png")}
            assert each.post("/v1/images", data=form, headers=BEARER).status_code == 200
            looked(each)
        return [run["id"] for run in client.get("/v1/runs").json["runs"]]

    before = len(send(1))
    first = send(2)
    assert len(first) == before + 1
    assert ended(client, first[0])["state"] == "SUCCEEDED"  # and nothing new is in production
    wait_until(lambda: time.time() >= lease(settings).taken + 1)  # what comes within that second it has seen
    assert send(3) == first
    second = send(4)
    assert len(second) == before + 2
    ended(client, second[0])


def test_what_is_enough_while_a_training_goes_starts_one_once_it_ended(
    settings: Settings, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.automatic.PAUSE_S", 0.3)
    changed = settings.model_copy(update={"gateway_retrain_after": 1})
    client: Any = documented_app(changed).test_client()
    goes = start(client, until=str(gate)).json["run_id"]
    wait_until(lambda: time.time() >= lease(settings).taken + 1)
    form = {"label": "glass", "files": (io.BytesIO(picture(1)), "a.png")}
    assert client.post("/v1/images", data=form, headers=BEARER).status_code == 200
    time.sleep(1)
    assert client.get("/v1/runs").json["runs"][0]["id"] == goes
    gate.touch()
    wait_until(lambda: client.get("/v1/runs").json["runs"][0]["id"] != goes)
    looked(client)


def test_a_gateway_that_starts_looks_whether_a_training_is_due(settings: Settings, tmp_path: Path) -> None:
    changed = settings.model_copy(update={"gateway_retrain_after": 2})
    client: Any = documented_app(settings).test_client()
    for number in (1, 2):
        form = {"label": "glass", "files": (io.BytesIO(picture(number)), "a.png")}
        assert client.post("/v1/images", data=form, headers=BEARER).status_code == 200
    before = client.get("/v1/runs").json["runs"][:1]
    with GatewayServer(tmp_path, changed):
        wait_until(lambda: client.get("/v1/runs").json["runs"][:1] != before)


def test_what_came_while_the_model_in_production_was_trained_is_new_to_it(
    settings: Settings, tmp_path: Path
) -> None:
    changed = settings.model_copy(update={"gateway_retrain_after": 1})
    store, times = connect(settings), {"created": "2100-01-01T00:00:00+00:00"}
    client: Any = documented_app(changed).test_client()

    def send(number: int) -> int:
        before = len(client.get("/v1/runs?limit=100").json["runs"])
        form = {"label": "glass", "files": (io.BytesIO(picture(number)), "a.png")}
        assert client.post("/v1/images", data=form, headers=BEARER).status_code == 200
        looked(client)
        return len(client.get("/v1/runs?limit=100").json["runs"]) - before

    for number, (until, started) in enumerate(((None, 0), ("2020-01-01T00:00:00+00:00", 1)), 1):
        version = publish_facts(
            store, tmp_path / str(number), "ab", 96, f"by hand {number}", looked=until, **times
        )
        registry.promote(store, NAME, version, by="test", why="test", over=version - 1 or None)
        assert send(number) == started


def test_to_count_many_takes_a_share_of_the_time_and_the_last_are_counted_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def slow(_store: Store, _since: float) -> int:
        looks.append(time.monotonic())
        found = sent
        time.sleep(0.1)
        return found

    monkeypatch.setattr("gateway.automatic.count", slow)
    monkeypatch.setattr("gateway.automatic.HARDLY_S", 0.05)
    client: Any = documented_app(settings.model_copy(update={"gateway_retrain_after": 9})).test_client()
    before = len(client.get("/v1/runs?limit=100").json["runs"])
    for sent in range(1, 10):
        form = {"label": "glass", "files": (io.BytesIO(picture(sent)), "a.png")}
        assert client.post("/v1/images", data=form, headers=BEARER).status_code == 200
    looked(client)
    assert len(looks) > 1
    assert all(later - earlier >= 2 for earlier, later in pairwise(looks))
    assert len(client.get("/v1/runs?limit=100").json["runs"]) == before + 1


def test_where_none_is_wanted_none_is_started_by_itself(client: Any) -> None:
    before = client.get("/v1/runs").json
    form = {"label": "glass", "files": (io.BytesIO(picture(1)), "a.png")}
    assert client.post("/v1/images", data=form, headers=BEARER).status_code == 200
    assert client.get("/v1/runs").json == before
    assert "_thread" not in vars(client.application.extensions["binocular"].automatic)


def test_trainings_at_set_times_are_one_recurring_run_however_often_that_is_said(
    settings: Settings, pipelines: PipelinesServer
) -> None:
    wanted = settings.model_copy(update={"model_name": f"m-{uuid.uuid4().hex[:8]}"})
    assert scheduling.schedule(wanted, "0 0 3 * * *")
    assert not scheduling.schedule(wanted, "0 0 3 * * *")
    assert [scheduling.times(each) for each in scheduling.scheduled(wanted)] == ["0 0 3 * * *"]
    assert scheduling.schedule(wanted, "*/2 * * * * *")
    [found] = scheduling.scheduled(wanted)
    assert found.runtime_config.parameters == {"name": wanted.model_name}

    def ran() -> bool:
        runs = pipelines.client().list_runs(page_size=20, sort_by="created_at desc").runs or []
        return any(run.recurring_run_id == found.recurring_run_id for run in runs)

    wait_until(ran)
    assert scheduling.schedule(wanted, "0 0 3 * * *", {"count": "2"})
    assert not scheduling.schedule(wanted, "0 0 3 * * *")  # what they are told stays
    [found] = scheduling.scheduled(wanted)
    assert found.runtime_config.parameters == {"name": wanted.model_name, "count": 2}
    assert scheduling.told(found) == {"count": "2"}
    for parameters in ({"name": "other"}, {"nonsense": "1"}, {"count": "many"}):
        with pytest.raises(RequestError):
            scheduling.schedule(wanted, "0 0 3 * * *", parameters)
    assert [scheduling.told(each) for each in scheduling.scheduled(wanted)] == [{"count": "2"}]
    long = {"count": "2", "until": "a" * 300}  # longer than a description may be
    assert scheduling.schedule(wanted, "0 0 3 * * *", long)
    assert [scheduling.told(each) for each in scheduling.scheduled(wanted)] == [long]
    assert scheduling.schedule(wanted, "0 0 3 * * *", {})
    assert scheduling.unschedule(wanted) == 1
    assert scheduling.scheduled(wanted) == []
    with pytest.raises(RequestError):
        scheduling.schedule(wanted, "a b c d e f")


def test_the_gateway_sees_to_the_times_as_it_starts(settings: Settings, tmp_path: Path) -> None:
    changes = {"model_name": f"m-{uuid.uuid4().hex[:8]}", "gateway_workers": 1}
    wanted = settings.model_copy(update=changes | {"gateway_retrain_cron": "0 0 4 * * *"})
    with GatewayServer(tmp_path, wanted):
        wait_until(lambda: [scheduling.times(each) for each in scheduling.scheduled(wanted)] == ["0 0 4 * * *"])
    scheduling.unschedule(wanted)


def test_parameters_that_the_pipeline_does_not_take_are_refused_and_block_nobody(client: Any) -> None:
    refused = [start(client, nonsense=1), start(client, name="other"), start(client, count="many")]
    for answer in refused:
        assert (answer.status_code, answer.json["code"]) == (400, "request"), answer.text
    assert start(client, count=2).status_code == 202


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"parameters": []}', b'{"epochs": 3}'])
def test_a_body_that_is_no_request_is_refused(client: Any, body: bytes) -> None:
    answer = client.post("/v1/retrain", data=body, content_type="application/json", headers=BEARER)
    assert (answer.status_code, answer.json["code"]) == (400, "request")


def test_a_training_can_be_ended(client: Any, gate: Path) -> None:
    run_id = start(client, until=str(gate)).json["run_id"]
    wait_until(lambda: client.get(f"/v1/runs/{run_id}").json["state"] == "RUNNING")
    assert client.post(f"/v1/runs/{run_id}/terminate", headers=BEARER).status_code == 202
    assert ended(client, run_id)["state"] in {"CANCELED", "FAILED"}
    assert start(client).status_code == 202


def test_the_verdict_is_shown_with_the_run(client: Any, settings: Settings) -> None:
    run_id = start(client).json["run_id"]
    registry.record(connect(settings), NAME, run_id, VERDICT, None, {"report": "minio://b/report"})
    verdict = client.get(f"/v1/runs/{run_id}").json["verdict"]
    assert (verdict["decision"], verdict["summary"]) == ("reject", "not good enough")
    assert verdict["artifacts"] == {"report": "minio://b/report"}


@pytest.mark.parametrize("run_id", ["nobody", "0" * 36, "a b", "..%2f..", "x" * 100])
def test_a_run_that_is_not_there_is_not_found(client: Any, run_id: str) -> None:
    for answer in (client.get(f"/v1/runs/{run_id}"), client.post(f"/v1/runs/{run_id}/terminate", headers=BEARER)):
        assert (answer.status_code, answer.json["code"]) == (404, "not_found"), answer.text


def test_without_the_pipelines_api_nothing_is_half_started(settings: Settings) -> None:
    gone = settings.model_copy(update={"kfp_url": f"http://127.0.0.1:{free_port()}"})
    client: Any = documented_app(gone).test_client()
    for answer in (start(client, "monday"), client.get("/v1/runs"), client.get("/v1/runs/some-id")):
        assert (answer.status_code, answer.json["code"]) == (503, "pipelines_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.text
    assert not list(connect(settings).entries("retraining/"))


def test_a_pipelines_api_that_says_nothing_is_given_up_in_time(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        changes = {"kfp_url": f"http://127.0.0.1:{deaf.getsockname()[1]}", "gateway_patience_s": 0.5}
        began = time.monotonic()
        answer = start(documented_app(settings.model_copy(update=changes)).test_client())
        assert (answer.status_code, answer.json["code"]) == (503, "pipelines_unavailable")
        assert time.monotonic() - began < 20


def test_the_pipelines_api_may_come_back(settings: Settings, pipelines: PipelinesServer) -> None:
    client = documented_app(settings).test_client()
    assert client.get("/v1/runs").status_code == 200
    pipelines.kill()
    try:
        assert client.get("/v1/runs").status_code == 503
        assert start(client).status_code == 503
    finally:
        pipelines.start()
    assert start(client).status_code == 202


def test_what_changes_something_needs_the_token(client: Any) -> None:
    for path in ("/v1/retrain", "/v1/runs/some-id/terminate", "/v1/models/1/promote"):
        answer = client.post(path, json={})
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


def publish(settings: Settings, tmp_path: Path, count: int) -> Store:
    store = connect(settings)
    for number in range(1, count + 1):
        publish_facts(store, tmp_path / str(number), ("glass", "metal"), 8, f"run-{number}")
    return store


def promote(client: Any, version: object, **body: Any) -> Any:
    return client.post(f"/v1/models/{version}/promote", json=body, headers=BEARER)


def test_versions_are_listed_and_production_moves_forward_and_back(
    client: Any, settings: Settings, tmp_path: Path
) -> None:
    assert client.get("/v1/models").json == {"name": NAME, "moves": [], "versions": []}
    store = publish(settings, tmp_path, 3)
    assert promote(client, 3).json == {"name": NAME, "version": 3}
    back = promote(client, 2, why="3 takes glass for metal", over=3)
    assert back.json == {"name": NAME, "version": 2, "before": 3}
    found = client.get("/v1/models?limit=2").json
    assert found["production"] == 2
    assert [(each["version"], each["production"]) for each in found["versions"]] == [(3, False), (2, True)]
    assert found["versions"][0]["metrics"] == {"accuracy": 0.9}
    present = registry.production(store, NAME)
    assert present is not None
    assert present.moves[0].why == "3 takes glass for metal"


def test_a_version_tells_what_it_is_and_when_it_was_in_production(
    client: Any, settings: Settings, tmp_path: Path
) -> None:
    store = publish(settings, tmp_path, 2)
    promote(client, 1)
    promote(client, 2, why="better")
    promote(client, 1, why="no, worse")
    found = client.get("/v1/models/2").json
    assert (found["production"], found["classes"], found["run"]) == (False, ["glass", "metal"], "run-2")
    assert [(move["by"], move["why"]) for move in found["moves"]] == [("admin", "better")]
    assert {file["name"] for file in found["files"]} == {"binocular.json", "labels.json"}
    assert "quantization" not in found
    became = {"kind": "int8", "taken": True, "reason": "int8 was taken.", "float_bytes": 9, "bytes": 3}
    publish_facts(store, tmp_path / "3", ("glass", "metal"), 8, "3", quantization={**became, "compared": None})
    assert client.get("/v1/models/3").json["quantization"] == became
    everything = client.get("/v1/models").json
    assert (everything["previous"], [move["version"] for move in everything["moves"]]) == (2, [1, 2, 1])
    assert client.get("/v1/models/9").status_code == 404


def test_files_of_a_version_are_downloaded_one_by_one_or_in_a_zip(
    client: Any, settings: Settings, tmp_path: Path
) -> None:
    publish(settings, tmp_path, 1)
    for path in ("files/labels.json", "model.zip"):
        assert client.get(f"/v1/models/1/{path}").status_code == 401
    kept = {file["name"]: file for file in client.get("/v1/models/1").json["files"]}
    one = client.get("/v1/models/1/files/labels.json", headers=BEARER)
    assert (one.data, hashlib.sha256(one.data).hexdigest()) == (b"[]", kept["labels.json"]["sha256"])
    assert one.headers["Content-Disposition"] == f'attachment; filename="{NAME}-1-labels.json"'
    assert one.content_type == "application/octet-stream"
    zipped = client.get("/v1/models/1/model.zip", headers=BEARER)
    with zipfile.ZipFile(io.BytesIO(zipped.data)) as archive:
        assert archive.testzip() is None
        found = {name: len(archive.read(name)) for name in archive.namelist()}
    assert found == {f"{NAME}/1/{name}": file["size"] for name, file in kept.items()}
    assert client.get("/v1/models/1/model.zip", headers=BEARER).data == zipped.data
    for wrong in (
        "nothing",
        "../2/labels.json",
        "..%2f..%2fproduction.json",
        "manifest.json",
        "labels.json/",
        "%00",
    ):
        assert client.get(f"/v1/models/1/files/{wrong}", headers=BEARER).status_code == 404, wrong
    assert client.get("/v1/models/2/model.zip", headers=BEARER).status_code == 404


def test_the_last_hour_shows_what_was_asked(client: Any) -> None:
    before = client.get("/v1/status/history").json
    assert (before["window"], before["step_s"]) == ("hour", 60)
    client.post("/v1/predict", data=b"no image", content_type="application/octet-stream")
    assert client.get("/v1/status/history?window=day").json["step_s"] == 600
    assert client.get("/v1/status/history?window=week").status_code == 400


def test_a_promotion_decided_on_what_is_past_is_refused(client: Any, settings: Settings, tmp_path: Path) -> None:
    publish(settings, tmp_path, 3)
    promote(client, 1)
    late = promote(client, 3, over=2)
    assert (late.status_code, late.json["code"], late.json["production"]) == (409, "conflict", 1)
    missing = promote(client, 9)
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")
    assert promote(client, "x").status_code == 404
    assert promote(client, 2, over="x").status_code == 400


def test_of_two_who_promote_at_once_none_is_lost_in_silence(settings: Settings, tmp_path: Path) -> None:
    store = publish(settings, tmp_path, 5)
    promote(documented_app(settings).test_client(), 1)
    clients = [documented_app(settings).test_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(partial(promote, over=1), clients, (2, 3, 4, 5)))
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    present = registry.production(store, NAME)
    assert present is not None
    assert present.version == next(each.json["version"] for each in answers if each.status_code == 200)


def test_the_status_tells_what_waits_and_what_was_asked(client: Any, settings: Settings, tmp_path: Path) -> None:
    store = publish(settings, tmp_path, 1)
    promote(client, 1)
    store.put(contribution_key("uploads", "glass", "0" * 64), b"x")
    store.put(contribution_key("feedback", "glass", "1" * 64), b"x")
    client.get("/healthz")
    found = client.get("/v1/status").json
    assert (found["model"], found["production"], found["available"]) == (NAME, 1, [])
    assert found["waiting"] in ({"uploads": 1, "feedback": 1}, {"uploads": 0, "feedback": 0})
    assert {"/healthz", "/v1/models/<int:version>/promote"} <= {each["route"] for each in found["requests"]}
    assert found["uptime_s"] >= 0
