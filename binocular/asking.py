"""One way to ask a gateway over HTTP: its refusals are our errors, and one that is busy or gone is asked again.

Asked("http://127.0.0.1:8080", token="…", patience_s=30).json("GET", "/v1/status")
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

from binocular.errors import BinocularError, GatewayRefusedError, GatewayUnavailableError

# Longer than a gateway lets any request take.
TIMEOUT_S = 60.0
PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
REFUSED = 400
# Too much to do; or a part behind the gateway is not there.
BUSY, UNAVAILABLE = 429, 503
RETRY_AFTER = "retry_after"


@dataclass(frozen=True)
class Asked:
    """A gateway, who asks it, and how long the answer may keep us waiting."""

    url: str
    token: str = field(default="", repr=False)
    patience_s: float = 0.0
    _pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager, repr=False, compare=False)

    def json(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer; what is refused for now is asked again while there is patience."""
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                return self._once(method, path, body, headers or {})
            except BinocularError as error:
                pause = float(str(error.details.get(RETRY_AFTER, PAUSE_S)))
                if not error.retry or time.monotonic() + pause > deadline:
                    raise
            time.sleep(min(pause, LONGEST_PAUSE_S))

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = self._pool.request(
                method,
                f"{self.url}{path}",
                body=body,
                headers={**given, **headers},
                timeout=TIMEOUT_S,
                retries=False,
                redirect=False,
            )
            told = json.loads(answer.data)
        except urllib3.exceptions.HTTPError as error:
            reason = str(getattr(error, "reason", error)).rpartition(": ")[2]
            raise GatewayUnavailableError(
                f"the gateway {self.url} is not answering ({reason}); `binocular up` starts it"
            ) from None
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise no_gateway(self.url)
        if answer.status >= REFUSED:
            raise _refusal(answer.status, told, answer.headers.get("Retry-After"))
        return told


def no_gateway(url: str) -> GatewayUnavailableError:
    """The error that says that something else answers at this address."""
    return GatewayUnavailableError(f"{url} answers, but it is no gateway: is the address right?")


def _refusal(status: int, told: Mapping[str, Any], retry_after: str | None) -> BinocularError:
    # What stands in between may answer too, with fields of its own.
    details = {**told, "status": status}
    details.pop(RETRY_AFTER, None)
    if retry_after and retry_after.isdecimal():
        details[RETRY_AFTER] = int(retry_after)
    kind = GatewayUnavailableError if status in {BUSY, UNAVAILABLE} else GatewayRefusedError
    return kind(str(told.get("detail") or told.get("title") or status), **details)
