"""What integration tests share: running object stores, and a bucket of its own for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from binocular.store import Store
from tests.machine import Machine
from tests.pipelines_server import PipelinesServer
from tests.servers import MinIO, SeaweedFS, StoreServer, find_minio
from tests.stage import trained


@pytest.fixture(scope="session", params=["seaweedfs", "minio"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """A running object store; each test that uses it runs against every kind."""
    folder = tmp_path_factory.mktemp(request.param)
    server = SeaweedFS(folder) if request.param == "seaweedfs" else MinIO(folder, find_minio())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The embedded store alone, with a bucket, for tests that are about something else."""
    server = SeaweedFS(tmp_path_factory.mktemp("embedded-store"))
    server.start()
    yield server.store()
    server.stop()


@pytest.fixture(scope="module")
def pipelines(embedded_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelinesServer]:
    """A running pipelines API with state of its own."""
    server = PipelinesServer(tmp_path_factory.mktemp("pipelines"), embedded_store)
    server.variables |= {"TEST_SECRET": "from this machine"}
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def trained_machine(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which one run has put a first model, version 1 of `photos`, into production."""
    with trained(tmp_path_factory.mktemp("machine"), photos) as machine:
        yield machine


@pytest.fixture
def bucket() -> str:
    """The name of a bucket that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def store(server: StoreServer, bucket: str) -> Iterator[Store]:
    """A store with an empty bucket, which goes when the test ends."""
    store = server.store(store_bucket=bucket)
    store.ensure_bucket()
    yield store
    server.drop(bucket)
