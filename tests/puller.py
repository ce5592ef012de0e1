"""Real puller processes, and versions for them to pull."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import urllib3

from binocular.bundle import FACTS, Bundle
from binocular.publication import MANIFEST, Manifest, describe
from binocular.registry import prefix, publish_version
from binocular.settings import variable
from binocular.signatures import Signer
from binocular.store import Store
from serving.sync.folder import ModelFolder
from tests.servers import StoreServer, free_port, wait_until

ROOT = Path(__file__).parents[1]
RELEASE_1 = ROOT / "tests" / "data" / "release-1"
NAME = "glitter"
POLL_S = 0.1


def made(folder: Path, run: str, padding: int = 0) -> Path:
    """A real version, told from others by its run; `padding` makes it so many bytes larger."""
    (published,) = (path.parent for path in RELEASE_1.rglob(FACTS))
    shutil.copytree(published, folder)
    facts = Bundle.read(folder).model_copy(update={"run": run})
    facts.write(folder / FACTS)
    if padding:
        (folder / "assets.extra" / "padding").write_bytes(os.urandom(padding))
    return folder


def publish(
    store: Store,
    scratch: Path,
    count: int = 1,
    *,
    padding: int = 0,
    name: str = NAME,
    signer: Signer | None = None,
) -> int:
    """Publish so many versions more; the number of the last."""
    version = 0
    for number in range(count):
        folder = scratch / f"made-{name}-{len(list(scratch.iterdir()))}-{number}"
        version = publish_version(store, name, made(folder, folder.name, padding), signer)
    return version


def published(store: Store, version: int, name: str = NAME) -> Manifest:
    """What a version consists of."""
    key = f"{prefix(name, version)}/{MANIFEST}"
    return Manifest.parse(store.read(key).data, key)


class PullerProcess:
    """`python -m serving.sync` with settings of its own; its log is beside its folder."""

    COMMAND: tuple[str, ...] = (sys.executable, "-m", "serving.sync")

    def __init__(self, server: StoreServer, bucket: str, base: Path, *arguments: str, **settings: object) -> None:
        self.base, self.port = base, free_port()
        self.folder = ModelFolder(base, NAME)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = base.with_name(f"{base.name}-{self.port}.log")
        given: dict[str, object] = {
            "home": server.settings.home,
            "store_url": server.settings.store_url,
            "store_port": server.settings.store_port,
            "store_access_key": server.settings.store_access_key.get_secret_value(),
            "store_secret_key": server.settings.store_secret_key.get_secret_value(),
            "store_bucket": bucket,
            "store_timeout_s": 1,
            "store_deadline_s": 1,
            "model_name": NAME,
            "puller_folder": base,
            "puller_port": self.port,
            "puller_poll_s": POLL_S,
            "puller_grace_s": 0,
            **settings,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BINOCULAR_")}
        environment |= {variable(name): str(value) for name, value in given.items()}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.COMMAND, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def ended(self) -> int:
        """Its exit code, when it ends by itself."""
        return self.process.wait(60)

    def offers(self, version: int | None) -> None:
        """Wait until a model server would serve this version."""
        wait_until(lambda: self.folder.offered() == version)

    def in_step(self) -> None:
        """Wait until it has looked, and says that it offers what is in production."""
        # Before its first look it knows of nothing that it should offer.
        wait_until(lambda: (told := self.told()) and told["in_step"] and told["synced"])

    def told(self, path: str = "/readyz") -> dict[str, Any] | None:
        """What it says about the first model."""
        answer = self.get(path)
        return dict(json.loads(answer.data)["models"][0]) if answer else None

    def get(self, path: str) -> urllib3.BaseHTTPResponse | None:
        """Ask it, once it listens."""
        try:
            return urllib3.request("GET", self.url + path, retries=False, timeout=10)
        except urllib3.exceptions.HTTPError:
            assert self.process.poll() is None, self.log.read_text()
            return None

    def metric(self, name: str, *labels: str) -> float:
        """The value of a metric of ours; 0 where there is no such sample."""
        answer = self.get("/metrics")
        lines = answer.data.decode().splitlines() if answer else []
        start = f"binocular_puller_{name}{{"
        found = [line for line in lines if line.startswith(start) and all(f'"{each}"' in line for each in labels)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


def assert_whole(folder: ModelFolder, store: Store) -> None:
    """Every version that a model server sees is, byte for byte, what was published."""
    for version, path in folder.visible().items():
        assert describe(path) == published(store, version), path
