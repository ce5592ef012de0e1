import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from binocular import doctor, parts
from binocular.doctor import Finding
from binocular.settings import Settings
from tests.servers import free_port, free_store_port


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    ports: dict[str, Any] = {
        name: free_port() for name in ("kfp_port", "puller_port", "model_port", "model_rest_port", "gateway_port")
    }
    return Settings(home=tmp_path / "home", store_port=free_store_port(), **ports)


@pytest.fixture
def taken(settings: Settings) -> Iterator[int]:
    """The gateway's port, held by somebody else."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.gateway_port))
        other.listen()
        yield settings.gateway_port


def found(settings: Settings, what: str) -> list[Finding]:
    return [finding for finding in doctor.examine(settings) if finding.what == what]


def test_a_machine_in_order_has_nothing_wrong(settings: Settings) -> None:
    findings = list(doctor.examine(settings))
    assert [finding for finding in findings if finding.level == "wrong"] == []
    assert [finding.mend for finding in findings if finding.what == "parts"] == ["start them: binocular up"]


def test_a_taken_port_is_named_with_who_holds_it_and_the_setting_that_moves_it(
    settings: Settings, taken: int
) -> None:
    (finding,) = found(settings, "ports")
    assert (finding.level, str(taken) in finding.says) == ("wrong", True)
    assert "BINOCULAR_GATEWAY_PORT" in finding.mend


def test_a_variable_that_is_no_setting_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINOCULAR_GATEWAY_PROT", "1")
    (finding,) = found(settings, "settings")
    assert "BINOCULAR_GATEWAY_PORT" in finding.says


def test_a_token_that_others_may_read_is_named(settings: Settings) -> None:
    parts.gateway_token(settings)
    assert found(settings, "secrets") == []
    path = settings.home / parts.GATEWAY_TOKEN
    path.chmod(0o644)
    (finding,) = found(settings, "secrets")
    assert finding.mend == f"chmod 600 {path}"


def test_a_home_that_cannot_be_made_is_named_and_the_rest_is_looked_at(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"home": Path("/proc/none/home")})
    assert [finding.level for finding in found(nowhere, "home")] == ["wrong"]
    assert found(nowhere, "parts")


def test_a_store_that_does_not_answer_is_wrong(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"store_url": f"http://127.0.0.1:{free_port()}", "store_deadline_s": 1})
    (finding,) = found(elsewhere, "object store")
    assert (finding.level, "is not answering" in finding.says) == ("wrong", True)
    assert "BINOCULAR_STORE_URL" in finding.mend


def test_a_pipelines_api_that_does_not_answer_is_wrong(settings: Settings) -> None:
    (finding,) = found(settings.model_copy(update={"kfp_url": f"http://127.0.0.1:{free_port()}"}), "pipelines")
    assert (finding.level, "BINOCULAR_KFP_URL" in finding.mend) == ("wrong", True)
