"""The images, as nobody on a read-only root: a model is brought, served, asked by the gateway and exchanged."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from binocular import registry
from binocular.flow import ENDED
from binocular.runs import Runs, steps
from binocular.sample.drawing import write
from binocular.sample.spec import Spec
from binocular.settings import Settings
from binocular.store import Store
from pipeline import PACKAGE
from tests.containers.engine import Container, build, compressed_bytes, inspected, run
from tests.gateway_server import picture
from tests.integration.conftest import embedded_store, pipelines  # noqa: F401 - fixtures
from tests.pipelines_server import PipelinesServer
from tests.puller import NAME, publish
from tests.servers import free_port, wait_until

MEGABYTES = {"gateway": 250, "puller": 150, "server": 250}
TOKEN = "only-for-this-test-run"  # noqa: S105
STARTS_WITHIN_S = 120


@pytest.fixture(scope="module", autouse=True)
def images() -> None:
    """Built once, of today's sources."""
    build(*MEGABYTES)


def reach(store: Store, **more: object) -> dict[str, Any]:
    """The settings that lead to a store."""
    endpoint = store.endpoint
    keys = {"store_access_key": endpoint.access_key, "store_secret_key": endpoint.secret_key}
    return {"store_url": endpoint.url, "store_bucket": endpoint.bucket, **keys, **more}


@pytest.fixture(scope="module")
def store(embedded_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:  # noqa: F811
    """A store with two versions, the first in production; a container made its bucket."""
    said = run("puller", "binocular.bootstrap", "bucket", **reach(embedded_store))
    assert '"made": false' in said  # the fixture was faster
    publish(embedded_store, tmp_path_factory.mktemp("made"), 2)
    registry.promote(embedded_store, NAME, 1, by="test", why="the first", over=None)
    return embedded_store


@pytest.fixture(scope="module")
def running(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Puller, model server and gateway, each in its container; they share a folder."""
    models = tmp_path_factory.mktemp("models")
    models.chmod(0o777)
    model, rest, puller, gateway = (free_port() for _ in range(4))
    flags = [f"--port={model}", f"--rest_api_port={rest}", f"--model_name={NAME}", "--host=127.0.0.1"]
    flags += [f"--model_base_path=/models/{NAME}", "--file_system_poll_wait_seconds=1"]
    address = {"model_name": NAME, "model_address": f"127.0.0.1:{model}"}
    with (
        Container(
            "puller", volumes={models: "/models"}, **reach(store, model_name=NAME, puller_port=puller)
        ) as pulls,
        Container("server", "serving.server", *flags, volumes={models: "/models:ro"}, model_port=model) as serves,
        Container(
            "gateway", **reach(store, **address, gateway_port=gateway, gateway_token=TOKEN, gateway_confidence=0)
        ) as answers,
    ):
        url = f"http://127.0.0.1:{gateway}"

        def ready() -> bool:
            try:
                return bool(requests.get(f"{url}/readyz", timeout=10).ok)
            except requests.ConnectionError:
                return False

        try:
            wait_until(ready, STARTS_WITHIN_S)
        except AssertionError:
            pytest.fail("\n".join(f"{each.name}:\n{each.log()}" for each in (pulls, serves, answers)))
        yield {"puller": pulls, "server": serves, "gateway": answers, "url": url, "puller_port": puller}


def predict(url: str) -> requests.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return requests.post(f"{url}/v1/predict", picture(), headers=headers, timeout=60)


@pytest.mark.parametrize("name", MEGABYTES)
def test_an_image_is_small_and_says_what_it_is(name: str, tmp_path: Path) -> None:
    size = compressed_bytes(name, tmp_path) / 1e6
    whole = inspected(name)
    print(f"\n{name}: {size:.0f} MB compressed, {whole['Size'] / 1e6:.0f} MB on the disk")
    assert size <= MEGABYTES[name]
    config = whole["Config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(config["Labels"]["org.opencontainers.image.version"]) == 12
    assert not [each for each in config["Env"] if "KEY" in each or "TOKEN" in each]


def test_predictions_are_answered_while_versions_change(running: dict[str, Any], store: Store) -> None:
    assert predict(running["url"]).json()["model"]["version"] == 1
    seen: list[int] = []
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = predict(running["url"])
            seen.append(answer.json()["model"]["version"]) if answer.ok else failed.append(answer.text)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        wait_until(lambda: seen[-1:] == [1])
        moved = time.monotonic()
        registry.promote(store, NAME, 2, by="test", why="better", over=1)
        wait_until(lambda: seen[-1:] == [2], 60)
        print(f"\nseen after {time.monotonic() - moved:.1f} s, of {len(seen)} predictions {len(failed)} failed")
        registry.promote(store, NAME, 1, by="test", why="worse after all", over=2)
        wait_until(lambda: seen[-1:] == [1], 60)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert failed == []


@pytest.mark.parametrize("name", MEGABYTES)
def test_a_container_is_healthy_and_nobody_who_can_write_nothing(running: dict[str, Any], name: str) -> None:
    container: Container = running[name]
    assert container.is_healthy(), container.log()
    assert container.does("id", "-u").stdout.strip() == "65534"
    for place in ("/app", "/venv", "/etc", "/"):
        assert container.does("touch", f"{place}/written").returncode != 0, place
    assert "Traceback" not in container.log()


def test_writes_ask_for_the_token_that_the_container_was_given(running: dict[str, Any]) -> None:
    data, files = {"label": "glass"}, {"files": ("a.png", picture(7))}
    where = f"{running['url']}/v1/images"
    assert requests.post(where, data=data, files=files, timeout=60).status_code == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.post(where, data=data, files=files, headers=bearer, timeout=60).ok


def test_the_gateways_image_uploads_the_pipeline(pipelines: PipelinesServer) -> None:  # noqa: F811
    assert "uploaded" in run("gateway", "pipeline.upload", kfp_url=pipelines.url)
    assert "there already" in run("gateway", "pipeline.upload", kfp_url=pipelines.url)


def test_secrets_are_made_by_pods_alone() -> None:
    with pytest.raises(AssertionError, match="this is no pod with a service account"):
        run("puller", "binocular.bootstrap", "secrets", "--keys-given")


def test_the_tensorflow_free_images_have_no_tensorflow() -> None:
    for name in MEGABYTES:
        said = run(name, "pkgutil")  # python -m pkgutil does nothing: the image runs
        assert "Traceback" not in said
    with pytest.raises(AssertionError, match="No module named tensorflow"):
        run("server", "tensorflow")


def test_every_container_ends_when_told_to(running: dict[str, Any]) -> None:
    """The last one: what the others use is gone after it."""
    for name in ("gateway", "server", "puller"):
        began = time.monotonic()
        assert running[name].stop() == 0, running[name].log()
        assert time.monotonic() - began < 40, name


def test_the_pipeline_runs_in_the_image_of_one_machine(store: Store, tmp_path: Path) -> None:
    build("pipelines")
    photos, state = tmp_path / "photos", tmp_path / "state"
    write(photos, Spec(images=20, size=64))
    state.mkdir()
    state.chmod(0o777)
    port = free_port()
    with Container(
        "pipelines", volumes={photos: "/photos:ro", state: "/state"}, **reach(store, kfp_port=port)
    ) as container:
        wait_until(container.is_healthy, STARTS_WITHIN_S)
        runs = Runs(Settings(kfp_url=f"http://127.0.0.1:{port}"))
        told = {
            "source": "/photos",
            "name": "loop",
            "architecture": "small_cnn",
            "image_size": "64",
            "epochs": "2",
        }
        run_id = runs.submit(PACKAGE, told, "in containers")
        wait_until(lambda: runs.get(run_id).state in ENDED, 500)
        ended = {step.name: step.state for step in steps(runs.get(run_id)) if not step.is_group}
        assert runs.get(run_id).state == "SUCCEEDED", ended | {"log": container.log()[-3000:]}
        assert {"ingest", "validate", "train", "evaluate"} <= set(ended)
        assert container.stop() == 0


def test_a_step_runs_in_its_image_as_kubeflow_runs_it(store: Store, tmp_path: Path) -> None:
    build("components")
    photos, out = tmp_path / "photos", tmp_path / "out"
    write(photos, Spec(images=4, size=64))
    out.mkdir()
    out.chmod(0o777)
    told = {"name": "waste", "source": "/photos", "sha256": "", "near_duplicate_bits": 3}
    shares = {"validation_share": 0.2, "test_share": 0.2}
    rows = {"name": "rows", "uri": "/out/rows", "type": {"schemaTitle": "system.Dataset"}, "metadata": {}}
    executor_input = {
        "inputs": {"parameterValues": told | shares},
        "outputs": {
            "parameters": {name: {"outputFile": f"/out/{name}"} for name in ("snapshot", "champion")},
            "artifacts": {"rows": {"artifacts": [rows]}},
            "outputFile": "/out/executor_output.json",
        },
    }
    (executor,) = (
        each["container"]
        for each in next(iter(yaml.safe_load_all(PACKAGE.read_text())))["deploymentSpec"]["executors"].values()
        if each["container"]["args"][-1] == "ingest"
    )
    arguments = [json.dumps(executor_input) if each == "{{$}}" else each for each in executor["args"]]
    volumes = {photos: "/photos:ro", out: "/out"}
    run("components", *executor["command"], *arguments, volumes=volumes, **reach(store))
    answered = json.loads((out / "executor_output.json").read_text())
    assert answered["parameterValues"]["champion"] == 0
    images = answered["artifacts"]["rows"]["artifacts"][0]["metadata"]["images"]
    assert images in (24, 25)  # the sample's, and the one that another test may have sent
    assert [entry.key for entry in store.entries(answered["parameterValues"]["snapshot"])]
    said = run("components", "python", "-c", "import tensorflow as tf; print(tf.reduce_sum(tf.ones(7)).numpy())")
    assert "7.0" in said
