"""The embedded pipelines API for the tests: the real process, over a real store, with components of its own."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import kfp
import urllib3
from pydantic import SecretStr

from binocular.s3 import Connection
from binocular.settings import Settings
from binocular.store import Store, connect
from tests.servers import free_port, wait_until

ROOT = Path(__file__).parents[1]
CONFIGURATION = "[Components]\ncontainerised = steps/contained.py\nfailing_with_report = steps/contained.py\n"

CONTAINED = """
import os
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Output


@dsl.component(base_image="python:3.11", target_image="x")
def containerised(n: int, data: Output[Dataset]) -> NamedTuple("Two", [("doubled", int), ("secret", str)]):
    print("cwd", os.getcwd())
    with open(data.path, "w") as file:
        file.write("data")
    return (2 * n, os.environ.get("TEST_SECRET", "not set"))


@dsl.component(base_image="python:3.11", target_image="x")
def failing_with_report(report: Output[Artifact]):
    with open(report.path, "w") as file:
        file.write("what is wrong")
    raise SystemExit("unfit")
"""


def write_components(folder: Path) -> None:
    """Put the containerised components where a server looks for them."""
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    (folder / "kfp_config.ini").write_text(CONFIGURATION)
    (folder / "steps" / "contained.py").write_text(CONTAINED)


class PipelinesServer:
    """A server process that a test may kill and start again on the same state."""

    def __init__(self, folder: Path, store: Store, parallel: int = 4) -> None:
        self.folder, self.components = folder, folder / "components"
        write_components(self.components)
        self.settings = Settings(
            home=folder / "home",
            store_url=store.endpoint.url,
            store_access_key=SecretStr(store.endpoint.access_key),
            store_secret_key=SecretStr(store.endpoint.secret_key),
            store_bucket=store.endpoint.bucket,
            kfp_port=free_port(),
        )
        self.state = self.settings.home / "pipelines"
        self.parallel = parallel
        self.variables: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.settings.kfp_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be, or to talk to, this server."""
        own = {
            "BINOCULAR_HOME": str(self.settings.home),
            "BINOCULAR_STORE_URL": self.settings.store_url,
            "BINOCULAR_STORE_ACCESS_KEY": self.settings.store_access_key.get_secret_value(),
            "BINOCULAR_STORE_SECRET_KEY": self.settings.store_secret_key.get_secret_value(),
            "BINOCULAR_STORE_BUCKET": self.settings.store_bucket,
            "BINOCULAR_KFP_PORT": str(self.settings.kfp_port),
            "BINOCULAR_KFP_PARALLEL": str(self.parallel),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BINOCULAR_")}
        return {**kept, "PYTHONPATH": str(ROOT), "_KFP_RUNTIME": "true", **own, **self.variables}

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        wait_until(self.answers)

    def launch(self) -> None:
        """Start it."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.local", "--components", str(self.components)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def answers(self) -> bool:
        """Whether it answers; fails where it has ended."""
        assert self.process is None or self.process.poll() is None, self.log()
        try:
            return urllib3.request("GET", f"{self.url}/apis/v2beta1/healthz", retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def end(self, number: signal.Signals) -> None:
        """Signal it and wait for its end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def stop(self) -> None:
        """End it as the supervisor does."""
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning."""
        self.end(signal.SIGKILL)

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "server.log").read_text(errors="replace")

    def client(self) -> kfp.Client:
        """The unmodified client of kfp."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it announces itself with one
            return kfp.Client(host=self.url)

    def run(self, package: str, seconds: float = 60, **arguments: Any) -> Any:
        """Run a package to its end."""
        return self.finish(self.begin(package, **arguments), seconds)

    def begin(self, package: str, **arguments: Any) -> str:
        """Start a run; its id."""
        options = {name: arguments.pop(name) for name in ("enable_caching", "pipeline_root") if name in arguments}
        result = self.client().create_run_from_pipeline_package(package, arguments=arguments, **options)
        return str(result.run_id)

    def finish(self, run_id: str, seconds: float = 60) -> Any:
        """Wait for the end of a run."""
        client = self.client()
        wait_until(lambda: client.get_run(run_id).state in {"SUCCEEDED", "FAILED"}, seconds)
        return client.get_run(run_id)

    def text(self, uri: str) -> str:
        """A stored artifact or log."""
        return self.store().read(uri.partition(f"/{self.settings.store_bucket}/")[2]).data.decode()

    def content_type(self, uri: str) -> str | None:
        """What the store says that an artifact or log is."""
        store, key = self.store().at(uri)
        connection = Connection(store.endpoint)
        found = connection.call("stat", lambda client: client.stat_object(store.endpoint.bucket, key))
        return found.content_type

    def store(self) -> Store:
        """The store its artifacts are in."""
        return connect(self.settings)

    def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """A request without the client: status and JSON."""
        answer = urllib3.request(method, f"{self.url}/apis/v2beta1{path}", retries=False, **options)
        return answer.status, answer.json()


def parameter(task: Any, name: str = "Output") -> Any:
    """The value of an output parameter of a task."""
    return json.loads(task.outputs[name].artifact_ids[0])


def tasks(run: Any) -> dict[str, Any]:
    """The tasks of a run by their place in it."""
    details = run.run_details.task_details if run.run_details else []
    return {each.pod_name: each for each in details or []}
