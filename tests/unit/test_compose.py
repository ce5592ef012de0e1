"""compose.yaml, and the .env that it asks for."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from binocular.settings import Settings, load, variable
from manifests.compose_env import compose_env, contents
from pipeline.images import IMAGES, PREFIX

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
# Alternatives, of which one runs.
PAIRS = ({"minio", "seaweedfs"}, {"tensorflow-serving", "embedded"})


def written(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.fixture
def env(tmp_path: Path) -> Path:
    compose_env(["--out", str(tmp_path / ".env")], standalone_mode=False)
    return tmp_path / ".env"


def test_keys_are_random_private_and_made_once(env: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    first = written(env)
    compose_env(["--out", str(env)], standalone_mode=False)
    assert written(env) == first
    compose_env(["--out", str(tmp_path / "other")], standalone_mode=False)
    other = written(tmp_path / "other")
    same = {name for name in first if first[name] == other[name]}
    assert same == {"COMPOSE_PROFILES", *(name for name in first if name.endswith("_IMAGE"))}


def test_what_a_person_wrote_stays_and_images_follow_the_sources() -> None:
    text = contents("# mine\nCOMPOSE_PROFILES=seaweedfs,embedded\nGATEWAY_IMAGE=of-last-week\nOTHER=1\n")
    assert text.startswith("# mine\nCOMPOSE_PROFILES=seaweedfs,embedded\nOTHER=1\n")
    assert f"GATEWAY_IMAGE={PREFIX}gateway:{IMAGES['gateway'].tag()}\n" in text
    assert "of-last-week" not in text


def test_the_file_is_no_setting_of_the_processes_of_this_machine(env: Path) -> None:
    assert load(env.parent).store_secret_key == Settings().store_secret_key


def test_every_variable_has_a_default_or_is_in_the_file(env: Path) -> None:
    asked = re.findall(r"(?<!\$)\$\{(\w+)(:?[-?][^}]*)?\}", TEXT)
    made = written(env)
    assert {name for name, rest in asked if not rest.startswith(":-")} <= set(made)
    assert {name for name, rest in asked if rest.startswith(":?")} >= {"STORE_SECRET_KEY", "GATEWAY_TOKEN"}
    assert not [name for name, rest in asked if re.search("KEY|TOKEN", name) and rest.startswith(":-")]


def test_a_profile_of_each_pair_is_chosen(env: Path) -> None:
    profiles = written(env)["COMPOSE_PROFILES"].split(",")
    for pair in PAIRS:
        assert {name for name in pair if SERVICES[name]["profiles"] == [name]} == pair
        assert len(pair & set(profiles)) == 1
    assert {name for name, service in SERVICES.items() if "profiles" in service} == set.union(*PAIRS)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_it_can_do_without(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] or name == "seaweedfs"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert name == "gateway" or "ports" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_how_it_is(name: str) -> None:
    image = SERVICES[name]["image"]
    ours = re.fullmatch(r"\$\{(\w+)_IMAGE:\?make compose-env\}", image)
    if not ours:
        assert re.search(r":-[a-z.]+/.+:[A-Z0-9.]*\d", image), image
    checked = "healthcheck" in SERVICES[name]
    assert checked or (ours and "HEALTHCHECK" in (ROOT / IMAGES[ours[1].lower()].dockerfile).read_text())


def test_every_setting_that_is_given_is_one() -> None:
    given = {key for service in SERVICES.values() for key in service.get("environment", {})}
    ours = {name for name in given if name.startswith("BINOCULAR_")}
    assert ours <= {variable(name) for name in Settings.model_fields}


def test_the_pipelines_share_the_gateways_network_and_nobody_elses() -> None:
    assert SERVICES["pipelines"]["network_mode"] == "service:gateway"
    assert "BINOCULAR_KFP_URL" not in SERVICES["gateway"]["environment"]
