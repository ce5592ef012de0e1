"""What gateway tests stand on: settings for a bucket of their own, published versions, and the real process."""

import io
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import requests
from flask import Flask, Response, request
from PIL import Image
from pydantic import SecretStr

from binocular import registry
from binocular.bundle import FACTS, LABELS
from binocular.settings import Settings, variable
from binocular.store import Store, connect
from gateway import create_app
from gateway.calls import DECLARED
from tests.bundles import facts
from tests.servers import free_port, wait_until

ROOT = Path(__file__).parents[1]
NAME = "waste"
TOKEN = "only-for-this-test-run"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def settings_for(home: Path, store: Store, **changes: Any) -> Settings:
    """Settings of a gateway with a bucket of its own in a store that runs."""
    settings = Settings.model_validate(
        {
            "home": home,
            "store_url": store.endpoint.url,
            "store_access_key": SecretStr(store.endpoint.access_key),
            "store_secret_key": SecretStr(store.endpoint.secret_key),
            "store_bucket": f"gateway-{uuid.uuid4().hex[:12]}",
            "model_name": NAME,
            "gateway_token": SecretStr(TOKEN),
            "gateway_port": free_port(),
            "gateway_confidence": 0.0,
            **changes,
        }
    )
    connect(settings).ensure_bucket()
    return settings


def publish_facts(store: Store, folder: Path, classes: Iterable[str], side: int, run: str, **told: Any) -> int:
    """Publish a version as far as the gateway looks into it: its facts."""
    facts(classes=tuple(classes), height=side, width=side, name=NAME, run=run, **told).write(folder / FACTS)
    (folder / LABELS).write_text("[]")
    return registry.publish_version(store, NAME, folder)


def documented_app(settings: Settings) -> Flask:
    """A gateway that answers nothing with a status that its document does not name for the call."""
    app = create_app(settings)

    def check(response: Response) -> Response:
        view = app.view_functions.get(request.endpoint or "")
        if call := getattr(view, DECLARED, None):
            assert response.status_code in {call.status, *call.refuses}, (request.path, response.get_data())
        return response

    app.after_request(check)
    return app


def picture(seed: int = 0, form: str = "PNG", size: tuple[int, int] = (20, 16), mode: str = "RGB") -> bytes:
    """The bytes of an image of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, form)
    return out.getvalue()


class GatewayServer:
    """`python -m gateway`; its log is in the folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.settings, self.log = settings, folder / "gateway.log"
        self.url = f"http://127.0.0.1:{settings.gateway_port}"
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BINOCULAR_")}
        given = {
            variable(name): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in ((name, getattr(self.settings, name)) for name in Settings.model_fields)
            if value is not None
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway"],
                cwd=self._folder,
                env={**kept, **given, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.log.read_text()
        try:
            return bool(requests.get(f"{self.url}/healthz", timeout=10).ok)
        except requests.ConnectionError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def predict(self, data: bytes, **options: Any) -> requests.Response:
        """Ask about one image."""
        headers = {"Content-Type": "application/octet-stream"}
        return requests.post(f"{self.url}/v1/predict", data, headers=headers, timeout=60, **options)
