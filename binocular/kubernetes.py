"""Kubernetes' API as a pod sees it, as far as Secrets go.

    cluster = Cluster.of_this_pod()
    cluster.ensure(Secret("binocular", "binocular-store", {"access_key": "…", "secret_key": "…"}))

`ensure` never changes a Secret that is there; `copy` makes one say what another says.
"""

import base64
import json
import os
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3

from binocular.errors import BinocularError, ClusterError, ConflictError, NotFoundError

# Where Kubernetes puts what a pod needs to speak to it.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 20.0
PART_OF = {"app.kubernetes.io/part-of": "binocular"}
_ERRORS: dict[int, type[BinocularError]] = {404: NotFoundError, 409: ConflictError}


@dataclass(frozen=True)
class Secret:
    """A Secret; its values never show in a log."""

    namespace: str
    name: str
    data: dict[str, str] = field(repr=False)


class Cluster:
    """The API of one cluster, with the rights of one service account."""

    def __init__(self, url: str, namespace: str, token: str, ca_file: Path) -> None:
        self.namespace = namespace
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file), timeout=TIMEOUT_S, retries=False)

    @classmethod
    def of_this_pod(cls, account: Path = ACCOUNT) -> "Cluster":
        """The cluster that this pod runs in; ClusterError outside of one."""
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        token = account / "token"
        if not host or not token.is_file():
            raise ClusterError(
                f"this is no pod with a service account: {token} or KUBERNETES_SERVICE_HOST is missing"
            )
        address = f"[{host}]" if ":" in host else host
        namespace, bearer = ((account / name).read_text().strip() for name in ("namespace", "token"))
        return cls(f"https://{address}:{port or 443}", namespace, bearer, account / "ca.crt")

    def secret(self, namespace: str, name: str) -> Secret:
        """What a Secret says; NotFoundError where there is none."""
        found = self._ask("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        data = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
        return Secret(namespace, name, data)

    def ensure(self, secret: Secret) -> tuple[Secret, bool]:
        """The Secret of this name, made unless it is there, and whether this call made it."""
        path = f"/api/v1/namespaces/{secret.namespace}/secrets"
        try:
            return self.secret(secret.namespace, secret.name), False
        except NotFoundError:
            pass
        try:
            self._ask("POST", path, _manifest(secret))
        except ConflictError:  # somebody was faster
            return self.secret(secret.namespace, secret.name), False
        return secret, True

    def copy(self, secret: Secret, namespace: str) -> bool:
        """Make a namespace's Secret of the same name say the same; whether that took a write."""
        present, made = self.ensure(Secret(namespace, secret.name, secret.data))
        if made or present.data == secret.data:
            return made
        path = f"/api/v1/namespaces/{namespace}/secrets/{secret.name}"
        self._ask("PUT", path, _manifest(Secret(namespace, secret.name, secret.data)))
        return True

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._pool.request(
                method, self._url + path, headers=self._headers, body=None if body is None else json.dumps(body)
            )
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"Kubernetes at {self._url} is not answering: {error}") from None
        if answer.status >= HTTPStatus.BAD_REQUEST:
            kind = _ERRORS.get(answer.status, ClusterError)
            raise kind(f"Kubernetes answered {answer.status} to {method} {path}: {_message(answer.data)}")
        found: dict[str, Any] = json.loads(answer.data)
        return found


def _manifest(secret: Secret) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret.name, "namespace": secret.namespace, "labels": PART_OF},
        "type": "Opaque",
        "stringData": secret.data,
    }


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, LookupError, TypeError):
        return "no reason given"
