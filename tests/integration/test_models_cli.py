"""`binocular models`, `promote`, `rollback`, `sign` and `prune` as a person runs them."""

import getpass
import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from binocular import registry
from binocular.bundle import FACTS
from binocular.publication import publish
from binocular.registry import prefix
from binocular.settings import variable
from binocular.signatures import Trust, read_signature
from binocular.store import Store
from tests.puller import NAME, ROOT, made, published
from tests.puller import publish as publish_versions
from tests.servers import StoreServer

pytestmark = pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)

# What fits on it is not cut off.
TERMINAL_WIDTH = 80


@dataclass(frozen=True)
class CommandLine:
    """`binocular` for one bucket."""

    server: StoreServer
    bucket: str

    def run(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> tuple[int, str]:
        """Exit code and all output."""
        given = {
            "home": self.server.settings.home,
            "store_port": self.server.settings.store_port,
            "store_bucket": self.bucket,
            "model_name": NAME,
        }
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BINOCULAR_")}
        environment |= {variable(key): str(value) for key, value in given.items()}
        command = [sys.executable, "-m", "binocular", *arguments]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, stdin=stdin, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def answer(self, said: str, *arguments: str) -> tuple[int, str]:
        """The same with somebody at a terminal who says this."""
        ours, theirs = pty.openpty()
        try:
            os.write(ours, f"{said}\n".encode())
            return self.run(*arguments, stdin=theirs)
        finally:
            os.close(ours)
            os.close(theirs)


@pytest.fixture
def binocular(server: StoreServer, store: Store, bucket: str) -> CommandLine:  # noqa: ARG001 - it makes the bucket
    return CommandLine(server, bucket)


def test_versions_are_shown_with_who_put_which_into_production_and_why(
    binocular: CommandLine, store: Store, tmp_path: Path
) -> None:
    code, output = binocular.run("models")
    assert (code, output) == (1, f"binocular: no version of {NAME} is published; `binocular run` makes one\n")
    publish_versions(store, tmp_path, 2)

    code, output = binocular.run("promote", "2", "--why", "the brighter one", "--yes")
    assert (code, output) == (0, f"version 2 of {NAME} is in production\n")
    code, output = binocular.run("models")
    assert code == 0
    title, second, first, why = output.splitlines()
    assert title.split() == ["version", "created", "accuracy", "snapshot", "production", "since"]
    assert second.split()[0] == "2"
    assert max(map(len, (title, second, first))) <= TERMINAL_WIDTH
    assert "100.0%    0123456789ab" in second
    assert first.split()[0] == "1"
    assert len(second.rstrip()) > len(first.rstrip())  # since when it is in production
    assert why == f"version 2 is in production, by {getpass.getuser()}: the brighter one"

    code, output = binocular.run("models", "--json")
    told = json.loads(output)
    assert (told["model"], told["production"]) == (NAME, 2)
    assert [each["version"] for each in told["versions"]] == [2, 1]
    assert told["moves"][0] | {"at": ""} == {
        "version": 2,
        "at": "",
        "by": getpass.getuser(),
        "why": "the brighter one",
    }


def test_a_versions_card_is_shown_and_what_has_none_says_so(
    binocular: CommandLine, store: Store, tmp_path: Path
) -> None:
    publish_versions(store, tmp_path, 1)

    code, output = binocular.run("models", "--card", "1")
    assert (code, output.startswith("---\n"), "# glitter" in output) == (0, True, True)
    assert binocular.run("models", "--card", "2") == (1, f"binocular: there is no version 2 of {NAME}\n")
    code, output = binocular.run("models", "--dataset-card", "1")
    assert (code, "has no card" in output, output.count("\n")) == (1, True, 1)


def test_a_version_that_cannot_be_read_hides_no_other(
    binocular: CommandLine, store: Store, tmp_path: Path
) -> None:
    publish_versions(store, tmp_path)
    strange = made(tmp_path / "strange", "strange")
    (strange / FACTS).write_text('{"format": 7}')
    publish(store, strange, prefix(NAME, 2))

    code, output = binocular.run("models")
    assert code == 0
    _, second, first, problem = output.splitlines()
    assert (second.split()[0], first.split()[0]) == ("2", "1")
    assert problem.startswith("version 2: ")
    assert "format 7; this release reads format 1" in problem


def test_roll_back_returns_to_the_version_before(binocular: CommandLine, store: Store, tmp_path: Path) -> None:
    publish_versions(store, tmp_path, 3)
    assert (
        binocular.run("rollback", "--yes")[1] == f"binocular: no version of {NAME} is in production: promote one\n"
    )
    binocular.run("promote", "1", "--yes")
    assert "was in production before 1" in binocular.run("rollback", "--yes")[1]
    binocular.run("promote", "3", "--yes")

    assert binocular.run("rollback", "--yes") == (0, f"version 1 of {NAME} is in production\n")
    present = registry.production(store, NAME)
    assert present is not None
    assert [move.version for move in present.moves] == [1, 3, 1]
    assert present.moves[0].why == "rolled back by hand"


def test_production_is_changed_only_by_who_agrees(binocular: CommandLine, store: Store, tmp_path: Path) -> None:
    publish_versions(store, tmp_path, 2)
    code, output = binocular.run("promote", "1")
    assert (code, output.splitlines()[-1]) == (2, "Error: nobody is there to be asked; add --yes")

    code, output = binocular.answer("n", "promote", "1")
    assert code == 0
    assert "nothing → 1?" in output
    assert "nothing was changed" in output
    assert registry.production(store, NAME) is None
    assert binocular.answer("y", "promote", "1")[0] == 0
    assert binocular.run("promote", "1") == (0, f"version 1 of {NAME} is in production already\n")
    assert binocular.run("promote", "9", "--yes") == (1, f"binocular: there is no version 9 of {NAME}\n")
    assert binocular.run("models", "--model", "A/B")[1].startswith("binocular: 'A/B' cannot name a model")


def test_old_versions_are_deleted_and_what_matters_stays(
    binocular: CommandLine, store: Store, tmp_path: Path
) -> None:
    publish_versions(store, tmp_path, 6)
    assert binocular.run("prune", "--keep", "1", "--yes") == (0, "nothing to delete\n")
    registry.promote(store, NAME, 2, by="run 2", why="the first", over=None)
    registry.promote(store, NAME, 4, by="run 4", why="better", over=2)

    code, output = binocular.answer("y", "prune", "--keep", "1")
    assert code == 0
    assert "delete 3 versions" in output
    assert output.endswith("deleted: 1, 3, 5\n")
    assert registry.versions(store, NAME) == [2, 4, 6]


def test_a_version_is_signed_later(binocular: CommandLine, store: Store, tmp_path: Path) -> None:
    publish_versions(store, tmp_path)
    key = ed25519.Ed25519PrivateKey.generate()
    no_encryption = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_encryption)
    (tmp_path / "key.pem").write_bytes(pem)

    code, output = binocular.run("sign", "1", "--key", str(tmp_path / "key.pem"))
    assert (code, "is signed with key" in output) == (0, True), output

    manifest = published(store, 1)
    Trust(key.public_key()).verify(read_signature(store, prefix(NAME, 1), manifest), NAME, 1, manifest)
    code, output = binocular.run("sign", "1", "--key", __file__)
    assert code == 1
    assert "holds no private key" in output
