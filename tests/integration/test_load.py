"""The load test against a real gateway with everything behind it: half a minute, as a person would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from binocular.settings import variable
from binocular.store import Store, connect
from tests.gateway_server import NAME, TOKEN, GatewayServer, publish_facts, settings_for
from tests.modelfolders import SIDE, make_classifier, publish
from tests.modelserver import ModelServer
from tests.pipelines_server import PipelinesServer

ROOT = Path(__file__).parents[2]
# Ten people who think for two seconds, for half a minute, make more; a machine that others use makes fewer.
LEAST = 30


def load_test(server: GatewayServer, reports: Path, *options: str) -> tuple[int, str]:
    """What `make load` runs; its exit code and what it said."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", "locust/locustfile.py", "--headless", "--only-summary"),
            *("--host", server.url, "--over-time", str(reports / "over-time.html")),
            *("--html", str(reports / "run.html"), "--csv", str(reports / "run"), *options),
        ],
        cwd=ROOT,
        env={**os.environ, "TOKEN": TOKEN, variable("model_port"): server.settings.model_address.split(":")[1]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return result.returncode, result.stdout


def test_half_a_minute_of_load_passes_and_leaves_its_reports(
    embedded_store: Store, pipelines: PipelinesServer, tmp_path: Path
) -> None:
    publish(make_classifier(tmp_path / "made", 0), tmp_path / NAME, 1)
    with ModelServer(tmp_path, f"--model_name={NAME}", f"--model_base_path={tmp_path / NAME}") as model:
        changes = {"model_address": f"127.0.0.1:{model.port}", "kfp_url": pipelines.url}
        settings = settings_for(tmp_path / "home", embedded_store, **changes)
        publish_facts(connect(settings), tmp_path / "facts", ("a", "b", "c"), SIDE, "run-1")
        with GatewayServer(tmp_path, settings) as server:
            # How fast it is on a machine that others use says nothing.
            code, said = load_test(server, tmp_path, "--load", "smoke", "--p95-ms", "30000")
    assert code == 0, said
    found = re.search(r"^([\d,]+) requests, .* 0.00% failed, 0.00% were turned away$", said, re.MULTILINE)
    assert found is not None, said
    assert int(found[1].replace(",", "")) >= LEAST
    for asked in ("predict one", "predict 8 at once", "/v1/status", "/v1/runs", "/v1/models"):
        assert asked in (tmp_path / "run_stats.csv").read_text(), said
    assert "predict one" in (tmp_path / "run.html").read_text()
    page = (tmp_path / "over-time.html").read_text()
    assert "It held" in page
    assert re.findall("<h3>(.*?)</h3>", page) == ["People", "Requests a second", "Accepted predictions", "Memory"]
    assert TOKEN not in page + said + (tmp_path / "run.html").read_text()
