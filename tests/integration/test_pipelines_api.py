"""The API as kfp's unmodified client and command use it, and as strangers misuse it."""

import io
import json
import subprocess
import sys
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kfp
import kfp_server_api
import pytest
import yaml

from binocular.store import Store
from pipeline import upload as upload_verb
from tests import sample_pipelines
from tests.pipelines_server import PipelinesServer, parameter, tasks
from tests.servers import wait_until


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> str:
    return sample_pipelines.compiled(sample_pipelines.quick, tmp_path_factory.mktemp("package"))


@pytest.fixture
def client(pipelines: PipelinesServer) -> kfp.Client:
    return pipelines.client()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return str(request.node.name)[:80]


def refused(call: Any, *arguments: Any, **options: Any) -> tuple[int, dict[str, Any]]:
    """The status and body of a call that the server refuses."""
    with pytest.raises(kfp_server_api.ApiException) as caught:
        call(*arguments, **options)
    return caught.value.status, json.loads(caught.value.body)


def test_experiments_from_creation_to_deletion(client: kfp.Client, name: str) -> None:
    made = client.create_experiment(name, description="what for")
    assert client.create_experiment(name).experiment_id == made.experiment_id
    got = client.get_experiment(experiment_name=name)
    assert (got.display_name, got.description, got.storage_state) == (name, "what for", "AVAILABLE")

    client.archive_experiment(made.experiment_id)
    assert client.get_experiment(made.experiment_id).storage_state == "ARCHIVED"
    client.unarchive_experiment(made.experiment_id)
    assert client.get_experiment(made.experiment_id).storage_state == "AVAILABLE"
    client.delete_experiment(made.experiment_id)

    status, body = refused(client.get_experiment, made.experiment_id)
    assert (status, body["code"], body["details"][0]["code"]) == (404, 5, 5)
    assert body["details"][0]["@type"] == "type.googleapis.com/google.rpc.Status"


def test_of_many_that_create_the_same_experiment_one_does(pipelines: PipelinesServer, name: str) -> None:
    def create(_: int) -> int:
        status, _body = pipelines.call("POST", "/experiments", json={"display_name": name})
        return status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == [200, *[409] * 7]


def test_pipelines_and_versions_from_upload_to_deletion(client: kfp.Client, quick: str, name: str) -> None:
    made = client.upload_pipeline(quick, pipeline_name=name, description="quick")
    assert client.get_pipeline_id(name) == made.pipeline_id
    assert client.pipelines.pipeline_service_get_pipeline_by_name(name).pipeline_id == made.pipeline_id
    second = client.upload_pipeline_version(quick, "second", pipeline_id=made.pipeline_id)
    versions = client.list_pipeline_versions(made.pipeline_id).pipeline_versions
    assert {each.display_name for each in versions} == {name, "second"}
    got = client.get_pipeline_version(made.pipeline_id, second.pipeline_version_id)
    assert got.pipeline_spec["pipelineInfo"]["name"] == "quick"
    assert refused(client.upload_pipeline, quick, pipeline_name=name)[0] == 409

    status, body = refused(client.delete_pipeline, made.pipeline_id)
    assert (status, "has 2 versions" in body["message"]) == (409, True)
    for each in versions:
        client.delete_pipeline_version(made.pipeline_id, each.pipeline_version_id)
    client.delete_pipeline(made.pipeline_id)
    assert client.get_pipeline_id(name) is None


def test_a_package_becomes_a_version_once_however_often_it_is_uploaded(
    pipelines: PipelinesServer, client: kfp.Client, tmp_path: Path
) -> None:
    def upload(package: Path) -> str:
        environment = {**pipelines.environment, "BINOCULAR_KFP_URL": pipelines.url}
        environment.pop("_KFP_RUNTIME")  # the server's own
        command = [sys.executable, "-m", "pipeline.upload", str(package)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == ""
        return done.stderr

    def versions() -> set[str]:
        listed = client.list_pipeline_versions(client.get_pipeline_id("binocular")).pipeline_versions
        return {version.display_name for version in listed}

    packages = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for package in packages:
        text = Path(sample_pipelines.compiled(sample_pipelines.quick, tmp_path)).read_text()
        package.write_text(f"# {package.stem}\n{text}")
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(upload, [packages[0]] * 2))
    wanted = {upload_verb.version_of(packages[0]), "binocular"}
    assert "uploaded" in "".join(said)
    assert versions() == wanted
    assert "there already" in upload(packages[0])
    assert versions() == wanted
    assert "uploaded" in upload(packages[1])
    assert versions() == wanted | {upload_verb.version_of(packages[1])}


def test_a_run_of_an_uploaded_version(client: kfp.Client, quick: str, name: str) -> None:
    made = client.upload_pipeline(quick, pipeline_name=name)
    version = client.list_pipeline_versions(made.pipeline_id).pipeline_versions[0]
    experiment = client.create_experiment(name)
    run = client.run_pipeline(
        experiment.experiment_id,
        name,
        params={"text": "from a version"},
        pipeline_id=made.pipeline_id,
        version_id=version.pipeline_version_id,
    )
    run = client.wait_for_run_completion(run.run_id, 60, sleep_duration=1)

    assert (run.state, run.pipeline_version_reference.pipeline_id) == ("SUCCEEDED", made.pipeline_id)
    assert parameter(tasks(run)["echo"]) == "from a version"
    assert client.get_experiment(experiment.experiment_id).last_run_created_at == run.created_at
    assert (run.finished_at >= run.created_at, run.runtime_config.parameters) == (True, {"text": "from a version"})
    client.archive_experiment(experiment.experiment_id)
    assert client.get_run(run.run_id).storage_state == "ARCHIVED"


def test_runs_are_archived_and_deleted(
    client: kfp.Client, pipelines: PipelinesServer, quick: str, tmp_path: Path
) -> None:
    run = pipelines.run(quick)
    client.archive_run(run.run_id)
    assert client.get_run(run.run_id).storage_state == "ARCHIVED"
    client.unarchive_run(run.run_id)
    assert client.get_run(run.run_id).storage_state == "AVAILABLE"
    client.delete_run(run.run_id)
    assert refused(client.get_run, run.run_id)[0] == 404

    family = sample_pipelines.compiled(sample_pipelines.family, tmp_path)
    going = pipelines.begin(family, folder=str(tmp_path))
    wait_until((tmp_path / "pids").exists)
    client.delete_run(going)
    assert refused(client.get_run, going)[0] == 404


def test_lists_are_filtered_sorted_and_paged(client: kfp.Client, name: str) -> None:
    made = [client.create_experiment(f"{name} {number:02}") for number in range(12)]
    ours = json.dumps({"predicates": [{"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": name}]})
    found: list[str] = []
    token = ""
    while True:
        page = client.list_experiments(page_token=token, page_size=5, sort_by="display_name desc", filter=ours)
        found += [each.experiment_id for each in page.experiments]
        client.create_experiment(f"{name} {99 - len(found)}")  # in front of what was read
        token = page.next_page_token
        if not token:
            break

    assert found == [each.experiment_id for each in reversed(made)]
    nothing = json.dumps({"predicates": [{"operation": 1, "key": "display_name", "stringValue": "' OR 1=1 --"}]})
    assert client.list_experiments(filter=nothing).experiments is None
    several = json.dumps(
        {"predicates": [{"operation": 8, "key": "name", "stringValues": {"values": [f"{name} 01", f"{name} 02"]}}]}
    )
    assert len(client.list_experiments(filter=several).experiments) == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("page_size=-1", "page_size"),
        ("page_size=many", "page_size"),
        ("page_token=garbage", "page_token"),
        ("page_token=W10=", "page_token"),
        ("sort_by=display_name;drop", "sort_by"),
        ("sort_by=password", "sort_by"),
        ("filter=%7B", "filter"),
        ("filter=[]", "filter"),
        ('filter={"predicates":[{"key":"secret","operation":1,"stringValue":"x"}]}', "no field"),
        ('filter={"predicates":[{"key":"name","operation":77,"stringValue":"x"}]}', "operation 77"),
        ('filter={"predicates":[{"key":"name","operation":1,"stringValue":{}}]}', "filter"),
        ('filter={"predicates":[{"key":"name","operation":1}]}', "exactly one of"),
        ('filter={"predicates":[{"key":"name","operation":3,"longValue":99999999999999999999999999}]}', None),
    ],
)
def test_a_wrong_list_request_is_named(pipelines: PipelinesServer, query: str, message: str | None) -> None:
    status, body = pipelines.call("GET", f"/experiments?{quote(query, safe='=&')}")

    assert (status, body.get("code")) == ((400, 3) if message else (200, None)), body
    assert (message or "") in body.get("message", "")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name either pipeline_spec or pipeline_version_reference"),
        ({"pipeline_spec": {}, "colour": 1}, "unknown field 'colour'"),
        ({"pipeline_spec": {"root": {}}, "display_name": "x"}, "schemaVersion"),
        ({"pipeline_spec": {"unknown": {}}, "display_name": "x"}, "not a compiled pipeline"),
        ({"pipeline_spec": [1], "display_name": "x"}, "pipeline_spec"),
        ({"pipeline_version_reference": {"pipeline_version_id": "none"}, "display_name": "x"}, "is not there"),
        ({"pipeline_version_reference": "none", "display_name": "x"}, "pipeline_version_reference"),
    ],
)
def test_a_wrong_run_request_is_named(pipelines: PipelinesServer, body: dict[str, Any], message: str) -> None:
    status, answer = pipelines.call("POST", "/runs", json=body)

    assert status in {400, 404}
    assert message in answer["message"]


def test_parameters_are_checked_before_a_run_is_made(
    pipelines: PipelinesServer, quick: str, tmp_path: Path
) -> None:
    kinds = sample_pipelines.compiled(sample_pipelines.kinds, tmp_path)
    before = pipelines.client().list_runs().total_size
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (quick, {"words": "x"}, "parameter 'words' is unknown; there are: text"),
        (kinds, {"a": "three"}, "a: 'three' is not a whole number"),
        (kinds, {"d": "maybe"}, "d: 'maybe' is not a truth value"),
        (kinds, {"e": {"no": "list"}}, "is not a list"),
    ]
    for package, given, message in wrong:
        with pytest.raises(kfp_server_api.ApiException, match=message):
            pipelines.begin(package, **given)
    assert pipelines.client().list_runs().total_size == before


def test_what_a_cluster_has_no_room_for_is_refused(pipelines: PipelinesServer, quick: str) -> None:
    client, spec = pipelines.client(), next(yaml.safe_load_all(Path(quick).read_text()))
    for path, body in [
        ("/runs", {"pipeline_spec": spec, "display_name": "n" * 256}),
        ("/runs", {"pipeline_spec": spec, "display_name": "n", "description": "d" * 256}),
        ("/recurringruns", {"pipeline_spec": spec, "display_name": "n", "description": "d" * 256}),
        ("/experiments", {"display_name": "n" * 128}),
        ("/experiments", {"display_name": "n", "description": "d" * 256}),
        ("/pipelines", {"name": "n" * 128}),
    ]:
        status, answer = pipelines.call("POST", path, json=body)
        assert (status, "expected text of at most" in answer["message"]) == (400, True), path
    pipeline = client.upload_pipeline(quick, f"{uuid.uuid4().hex}{'n' * 95}", "d" * 5_000)
    with pytest.raises(kfp_server_api.ApiException, match="at most 127"):
        client.upload_pipeline_version(quick, "v" * 128, pipeline.pipeline_id)


def test_bodies_that_are_no_requests(pipelines: PipelinesServer) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null"):
        status, answer = pipelines.call("POST", "/runs", body=body, headers=headers)
        assert (status, answer["code"]) == (400, 3), body[:10]
    assert pipelines.call("GET", "/nothing")[0] == 404
    assert pipelines.call("PUT", "/runs", body=b"{}", headers=headers)[0] == 405
    assert pipelines.call("GET", "/runs/../../etc/passwd")[0] == 404
    assert pipelines.call("GET", "/healthz")[0] == 200


def test_web_pages_cannot_start_anything(pipelines: PipelinesServer, quick: str) -> None:
    """What a page in a browser on this machine could send without being asked."""
    spec = next(yaml.safe_load_all(Path(quick).read_text()))
    body = json.dumps({"display_name": "evil", "pipeline_spec": spec}).encode()
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json", "Origin": "https://evil.example"},
        {"Content-Type": "application/json", "Host": "evil.example:8888"},
    ):
        status, _ = pipelines.call("POST", "/runs", body=body, headers=headers)
        assert status in {403, 415}, headers
    upload = {"uploadfile": ("p.yaml", Path(quick).read_bytes())}
    status, answer = pipelines.call(
        "POST", "/pipelines/upload?name=evil", fields=upload, headers={"Origin": "https://evil.example"}
    )
    assert (status, "evil.example" in answer["error_message"]) == (403, True)


def test_uploads_that_are_no_packages(pipelines: PipelinesServer, quick: str) -> None:
    def upload(data: bytes) -> tuple[int, str]:
        status, answer = pipelines.call(
            "POST", "/pipelines/upload?name=x", fields={"uploadfile": ("p.yaml", data)}
        )
        assert set(answer) == {"error_message", "error_details"}
        return status, answer["error_message"]

    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pipeline.yaml", b"a" * (40 << 20))
    laughs = "a: &a [x,x]\n" + "\n".join(f"{c}: &{c} [*{p},*{p}]" for p, c in zip("abcdef", "bcdefg", strict=True))
    image = Path(quick).read_text().replace("container:\n", "container:\n        unknown_field: 1\n")
    for data, message in [
        (b"", "not a compiled pipeline"),
        (b"\x00\x01", "not valid YAML"),
        (b"just text", "not a compiled pipeline"),
        (b"a: [", "not valid YAML"),
        (b"[" * 50_000, "nested more than"),
        (laughs.encode(), "aliases"),
        (bomb.getvalue(), "more than"),
        (b"PK\x03\x04broken", "damaged archive"),
        (b"\x1f\x8bbroken", "damaged archive"),
        (image.encode(), "unknown_field"),
        (b"!!python/object/apply:os.system ['true']", "not valid YAML"),
    ]:
        status, said = upload(data)
        assert (status, message in said) == (400, True), said
    assert pipelines.call("POST", "/pipelines/upload", body=b"x", headers={"Content-Type": "text/plain"})[0] == 400


def test_recurring_runs_come_at_their_times(client: kfp.Client, quick: str, name: str) -> None:
    experiment = client.create_experiment(name)
    made = client.create_recurring_run(
        experiment.experiment_id, name, interval_second=1, pipeline_package_path=quick, params={"text": "again"}
    )
    assert (made.status, made.mode, made.max_concurrency) == ("ENABLED", "ENABLE", "1")
    assert made.trigger.periodic_schedule.interval_second == "1"

    def runs() -> list[Any]:
        return client.list_runs(experiment_id=experiment.experiment_id).runs or []

    wait_until(lambda: [run.state for run in runs()].count("SUCCEEDED") >= 2)
    client.disable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "DISABLED"
    times = [run.scheduled_at for run in runs()]
    assert len(times) == len(set(times))
    assert {run.recurring_run_id for run in runs()} == {made.recurring_run_id}
    count = len(times)
    time.sleep(2.5)  # nothing comes: there is no condition to wait for
    assert len(runs()) == count
    client.enable_recurring_run(made.recurring_run_id)
    wait_until(lambda: len(runs()) > count)

    listed = client.list_recurring_runs(experiment_id=experiment.experiment_id)
    assert [each.recurring_run_id for each in listed.recurring_runs] == [made.recurring_run_id]
    client.delete_recurring_run(made.recurring_run_id)
    assert refused(client.get_recurring_run, made.recurring_run_id)[0] == 404


def test_what_was_missed_is_made_up_for_or_not(embedded_store: Store, tmp_path: Path, quick: str) -> None:
    server = PipelinesServer(tmp_path / "server", embedded_store)
    server.start()
    try:
        client = server.client()
        experiments = {
            no_catchup: client.create_experiment(f"catch up {no_catchup}") for no_catchup in (True, False)
        }
        started = "2020-01-01T00:00:00Z"
        for no_catchup, experiment in experiments.items():
            client.create_recurring_run(
                experiment.experiment_id,
                "yearly",
                cron_expression="0 0 0 1 1 *",
                start_time=started,
                no_catchup=no_catchup,
                max_concurrency=10,
                pipeline_package_path=quick,
            )

        def due(*, no_catchup: bool) -> list[int]:
            found = client.list_runs(experiment_id=experiments[no_catchup].experiment_id, page_size=50).runs or []
            return sorted(run.scheduled_at.year for run in found)

        this_year = time.gmtime().tm_year
        wait_until(lambda: due(no_catchup=False) == list(range(2021, this_year + 1)))
        wait_until(lambda: due(no_catchup=True) == [this_year])
        server.kill()
        server.start()
        wait_until(lambda: len(client.list_runs(page_size=50).runs) == this_year - 2020 + 1)
    finally:
        server.stop()


@pytest.fixture
def command(pipelines: PipelinesServer, tmp_path: Path) -> Any:
    """The unmodified `kfp` command."""

    def run(*arguments: str, answer: str = "") -> Any:
        done = subprocess.run(
            [Path(sys.executable).with_name("kfp"), "--endpoint", pipelines.url, "--output", "json", *arguments],
            input=answer,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        start = -1 if answer else min((i for i in map(done.stdout.find, "{[") if i >= 0), default=-1)
        return json.JSONDecoder().raw_decode(done.stdout[start:])[0] if start >= 0 else done.stdout

    return run


def test_the_kfp_command(command: Any, quick: str, name: str) -> None:
    pipeline = command("pipeline", "create", "-p", name, quick)
    assert pipeline["display_name"] == name
    assert name in [each["display_name"] for each in command("pipeline", "list")]
    versions = command("pipeline", "list-versions", pipeline["pipeline_id"])
    experiment = command("experiment", "create", name)
    run = command("run", "create", "-e", name, "-f", quick, "text=by command", "--timeout", "60")
    assert (run["state"], run["experiment_id"]) == ("SUCCEEDED", experiment["experiment_id"])
    assert command("run", "get", run["run_id"])["display_name"] == name
    assert command("run", "list", "-e", experiment["experiment_id"])[0]["run_id"] == run["run_id"]
    assert command("run", "archive", run["run_id"])["storage_state"] == "ARCHIVED"
    command("run", "delete", run["run_id"], answer="y\n")
    recurring = command(
        "recurring-run", "create", "--experiment-id", experiment["experiment_id"], "--job-name", name,
        "--cron-expression", "0 0 0 1 1 *", "--pipeline-id", pipeline["pipeline_id"],
        "--version-id", versions[0]["pipeline_version_id"],
    )  # fmt: skip
    assert command("recurring-run", "disable", recurring["recurring_run_id"])["status"] == "DISABLED"
    command("recurring-run", "delete", recurring["recurring_run_id"], answer="y\n")
