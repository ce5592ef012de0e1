"""The manifests: rendered from their sources, valid Kubernetes, and safe wherever they are put."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as schemas

from binocular.errors import ProcessError
from binocular.settings import Settings, variable
from manifests import render
from manifests.deployment import deployment
from pipeline.cluster import ADDRESS, CONFIG_MAP, KEYS, SECRET
from pipeline.images import IMAGES
from tests.manifests import RENDERS, called, containers, named, objects, of_kind, pods

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35")
# Kinds that others than Kubernetes define; its schemas cannot know them.
CUSTOM = {"InferenceService", "PrometheusRule", "ServiceMonitor"}
MAKEFILE = (ROOT / "Makefile").read_text()

every_render = pytest.mark.parametrize("path", RENDERS, ids=lambda path: path.stem)


def test_every_overlay_and_component_is_rendered() -> None:
    wanted = {path.name for path in (render.FOLDER / "overlays").iterdir()}
    wanted |= {f"with-{path.name}" for path in (render.FOLDER / "components").iterdir()}
    assert {path.stem for path in RENDERS} == wanted


def test_the_renders_are_what_the_sources_make() -> None:
    program = render.kustomize()
    if program is None:
        pytest.skip("no kustomize: neither on PATH nor built by `make kustomize`")
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip()
    if f"KUSTOMIZE_VERSION := {version}\n" not in MAKEFILE:
        pytest.skip(f"kustomize {version} is another than the one that the Makefile names")
    made = dict(render.rendered())
    assert {path.stem: path.read_text() for path in RENDERS} == made, "run `make manifests`"


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_is_valid_to_the_letter(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {}

    def schema(name: str, wanted: str, load: Any = schemas.schema_contents) -> Any:
        if name not in known:
            known[name] = load(name, wanted)
        return known[name]

    monkeypatch.setattr(schemas, "schema_contents", schema)
    distinct = {json.dumps(each, sort_keys=True): each for path in RENDERS for each in objects(path)}
    checked = [each for each in distinct.values() if each["kind"] not in CUSTOM]
    for each in checked:
        assert kubernetes_validate.validate(each, version, strict=True) == version, called(each)
    assert len(checked) > 40


def test_what_is_rendered_stays_where_nothing_can_be_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kind.yaml").touch()
    monkeypatch.setattr(render, "RENDERED", tmp_path)
    monkeypatch.setattr(render, "kustomize", lambda: None)
    with pytest.raises(ProcessError, match="there is no kustomize"):
        render.render.main([], standalone_mode=False)
    assert (tmp_path / "kind.yaml").is_file()


def test_a_field_that_is_misspelt_or_unknown_is_found() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError, match="prots"):
        kubernetes_validate.validate(service, VERSIONS[0], strict=True)


@every_render
def test_every_pod_meets_the_restricted_standard(path: Path) -> None:
    for owner, pod in pods(path):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), owner
        security = pod["securityContext"]
        assert security["runAsNonRoot"], owner
        assert security["runAsUser"] >= 10000, owner
        assert security["seccompProfile"]["type"] == "RuntimeDefault", owner
        allowed = {
            "configMap",
            "emptyDir",
            "secret",
            "projected",
            "persistentVolumeClaim",
            "downwardAPI",
            "ephemeral",
        }
        for volume in pod.get("volumes", []):
            assert set(volume) - {"name"} <= allowed, owner
    for name, each in containers(path):
        security = each["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert security["readOnlyRootFilesystem"] is True, name
        assert not {"privileged", "runAsUser", "seccompProfile", "procMount"} & set(security), name
        assert not any("hostPort" in port for port in each.get("ports", [])), name
    (namespace,) = of_kind(path, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@every_render
def test_every_container_says_what_it_needs_and_how_it_is_probed(path: Path) -> None:
    for name, each in containers(path):
        wanted, limits = each["resources"]["requests"], each["resources"]["limits"]
        assert set(wanted) == set(limits) == {"cpu", "memory", "ephemeral-storage"}, name
        if not name.startswith("Job/"):
            assert {"readinessProbe", "livenessProbe"} <= set(each), name
            liveness = each["livenessProbe"]
            assert "startupProbe" in each or liveness.get("initialDelaySeconds"), name
            assert liveness["failureThreshold"] * liveness["periodSeconds"] >= 60, name
    for job in of_kind(path, "Job"):
        assert job["spec"]["ttlSecondsAfterFinished"], called(job)
        assert job["spec"]["backoffLimit"] >= 10, called(job)


@every_render
def test_every_image_has_a_tag_that_does_not_move(path: Path) -> None:
    for name, each in containers(path):
        image, colon, tag = each["image"].rpartition(":")
        assert colon, name
        if image.startswith("binocular-"):
            assert image.removeprefix("binocular-") in IMAGES, name
            assert tag == "unbuilt", f"{name}: `make deploy` says the tag"
        else:
            assert re.search(r"\d", tag), f"{name}: {each['image']}"
            assert "." in image.partition("/")[0], f"{name}: the registry is not said"


@every_render
def test_no_secret_is_in_the_manifests_and_no_variable_comes_from_a_service(path: Path) -> None:
    assert of_kind(path, "Secret") == []
    for owner, pod in pods(path):
        assert pod["enableServiceLinks"] is False, owner
        assert pod["automountServiceAccountToken"] is (owner == "Job/secrets"), owner
    for name, each in containers(path):
        for entry in each.get("env", []):
            secret = re.search(r"KEY|TOKEN|PASSWORD|SECRET|ROOT_USER", entry["name"])
            assert not secret or "secretKeyRef" in entry.get("valueFrom", {}), (name, entry["name"])
    for each in of_kind(path, "ConfigMap"):
        suspicious = re.compile(r"(key|token|password|secret)(?!.*_FILE$)", re.IGNORECASE)
        assert not [key for key in each["data"] if suspicious.search(key)]


@every_render
def test_every_setting_that_is_given_is_one(path: Path) -> None:
    known = {variable(name) for name in Settings.model_fields}
    given = {entry["name"] for _, each in containers(path) for entry in each.get("env", [])}
    for each in of_kind(path, "ConfigMap"):
        given |= {key for key in each["data"] if key.startswith("BINOCULAR_")}
    assert {name for name in given if name.startswith("BINOCULAR_")} <= known


@every_render
def test_every_config_map_and_account_that_is_named_is_there(path: Path) -> None:
    there = {each["metadata"]["name"] for each in of_kind(path, "ConfigMap")} | {"binocular-package"}
    accounts = {each["metadata"]["name"] for each in of_kind(path, "ServiceAccount")}
    for owner, pod in pods(path):
        assert pod["serviceAccountName"] in accounts, owner
        assert {v["configMap"]["name"] for v in pod.get("volumes", []) if "configMap" in v} <= there, owner
        mounted = {mount["name"] for each in pod["containers"] for mount in each.get("volumeMounts", [])}
        claims = {"data"} if owner == "StatefulSet/store" else set()
        assert mounted - claims == {volume["name"] for volume in pod.get("volumes", [])}, owner
    for name, each in containers(path):
        sources = [entry.get("valueFrom", {}).get("configMapKeyRef", {}) for entry in each.get("env", [])]
        wanted = {source["name"] for source in sources if source}
        wanted |= {source["configMapRef"]["name"] for source in each.get("envFrom", [])}
        assert wanted <= there, name


@every_render
def test_the_steps_find_the_store_where_the_pipeline_looks_for_it(path: Path) -> None:
    here, there = (named(path, "ConfigMap", CONFIG_MAP, namespace) for namespace in ("binocular", "kubeflow"))
    assert set(ADDRESS) <= set(there["data"])
    assert here["data"] == there["data"]
    arguments = named(path, "Job", "secrets")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--copy-to=kubeflow" in arguments
    rights = named(path, "Role", "binocular-bootstrap", "kubeflow")
    assert rights["rules"][1]["resourceNames"] == [SECRET]
    assert set(KEYS) == {"access_key", "secret_key"}


def test_the_servers_are_monitored_in_a_cluster_as_elsewhere() -> None:
    there = render.FOLDER / "base" / "monitoring.config"
    assert there.read_text() == (render.FOLDER.parent / "serving" / "monitoring.config").read_text()


@every_render
def test_nobody_speaks_to_anybody_but_for_what_is_named(path: Path) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(path, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    selected = json.dumps(policies)
    for owner, _ in pods(path):
        assert f'"{owner.partition("/")[2]}"' in selected, owner
    ours = [spec for name, spec in policies.items() if name != "binocular-to-pipelines"]
    assert all(each.get("ports") for spec in ours for each in spec.get("ingress", []))


@every_render
def test_the_model_server_is_probed_for_the_model_that_is_followed(path: Path) -> None:
    (settings,) = (each["data"] for each in of_kind(path, "ConfigMap") if "BINOCULAR_MODEL_NAME" in each["data"])
    ((_, server),) = (
        each for each in containers(path) if each[0].endswith(("model/server", "model/kserve-container"))
    )
    model = settings["BINOCULAR_MODEL_NAME"]
    assert server["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{model}/metadata"
    assert server["startupProbe"]["httpGet"]["path"] == f"/v1/models/{model}/metadata"
    assert f"model:{server['ports'][0]['containerPort']}" == settings["BINOCULAR_MODEL_ADDRESS"]


def test_a_deployment_names_the_images_of_todays_sources(tmp_path: Path) -> None:
    made = deployment(
        render.FOLDER / "overlays" / "kind",
        ["kserve", "monitoring"],
        "r.example.com/t",
        tmp_path,
        ["pipeline.yaml"],
    )
    images = {each["name"]: f"{each['newName']}:{each['newTag']}" for each in made["images"]}  # type: ignore[attr-defined]
    assert images["binocular-gateway"] == f"r.example.com/t/binocular-gateway:{IMAGES['gateway'].tag()}"
    assert [Path(each).name for each in made["components"]] == ["package", "monitoring", "kserve"]  # type: ignore[attr-defined]


def test_a_prepared_deployment_renders_with_its_pipeline_and_no_unbuilt_image(tmp_path: Path) -> None:
    if render.kustomize() is None:
        pytest.skip("no kustomize: neither on PATH nor built by `make kustomize`")
    from manifests.deployment import deploy  # noqa: PLC0415 - click's

    deploy(["kind", "--registry", "r.example.com/t", "--out", str(tmp_path)], standalone_mode=False)
    text = render.build(tmp_path)
    assert "unbuilt" not in text
    (package,) = (
        each["data"]["pipeline.yaml"]
        for each in yaml.load_all(text, yaml.CSafeLoader)
        if each["metadata"]["name"].startswith("binocular-package")
    )
    spec = next(yaml.load_all(package, yaml.CSafeLoader))
    steps = {each["container"]["image"] for each in spec["deploymentSpec"]["executors"].values()}
    assert steps == {f"r.example.com/t/binocular-components:{IMAGES['components'].tag()}"}


def test_the_example_of_a_training_job_is_a_valid_pod_whose_commands_are_ours() -> None:
    claim, runtime, job = yaml.safe_load_all((render.FOLDER / "trainer" / "trainjob.yaml").read_text())
    (node,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    pod = node["template"]["spec"]["template"]["spec"]
    template = {"spec": {**pod, "restartPolicy": "Never"}}
    plain = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": {"template": template}}
    for version in VERSIONS:
        for each in (claim, plain):
            assert kubernetes_validate.validate(each, version, strict=True) == version

    assert job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]
    (snapshot,), (trainer,) = pod["initContainers"], pod["containers"]
    assert (node["name"], trainer["name"]) == ("node", "node"), (
        "what a TrainJob says is of a container of this name"
    )
    for each in (snapshot, trainer):
        assert each["securityContext"]["readOnlyRootFilesystem"]
        sources = {env["name"]: next(iter(env["valueFrom"].values())) for env in each["env"] if "valueFrom" in env}
        assert {name: (said["name"], said["key"]) for name, said in sources.items()} == {
            **{name: (CONFIG_MAP, key) for key, name in ADDRESS.items()},
            **{name: (SECRET, key) for key, name in KEYS.items()},
        }
    for arguments in (trainer["args"], job["spec"]["trainer"]["args"]):
        command = [sys.executable, *trainer["command"][1:], *arguments, "--help"]
        told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert told.returncode == 0, told.stderr
