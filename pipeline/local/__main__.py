"""The process: `python -m pipeline.local` serves the pipelines API on the loopback address and runs the runs."""

import contextlib
import fcntl
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click
from waitress.server import create_server

from binocular import logs
from binocular.commands import run
from binocular.errors import AlreadyRunningError, NotFoundError
from binocular.settings import Settings, as_environment, load
from binocular.store import connect
from pipeline.local.api import create_app
from pipeline.local.engine import Engine
from pipeline.local.package import LARGEST_BYTES
from pipeline.local.records import Records
from pipeline.local.recurring import Schedules

HOST = "127.0.0.1"  # whoever can reach it can run programs: there is no other address to choose
THREADS = 16
CONNECTIONS = 200
LOCKED_WITHIN_S = 5.0


def components_folder() -> Path:
    """Where this project's components and their kfp_config.ini lie."""
    spec = importlib.util.find_spec("components")
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundError("the package `components` is not installed; name its folder with --components")
    return Path(next(iter(spec.submodule_search_locations)))


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of this state; AlreadyRunningError while another server does."""
    with (folder / "lock").open("a+b") as file:
        end = time.monotonic() + LOCKED_WITHIN_S
        while True:  # a process that was just killed may hold it for a moment
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > end:
                raise AlreadyRunningError(f"another pipelines server works on {folder}")
            time.sleep(0.1)
        yield


def serve(settings: Settings, components: Path) -> None:
    """Serve until a signal says stop."""
    folder = settings.home / "pipelines"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(folder):
        records, store = Records(folder / "pipelines.db"), connect(settings)
        parallel = settings.kfp_parallel or os.cpu_count() or 1
        engine = Engine(folder, records, store, components, parallel, as_environment(settings))
        engine.every_tick.append(Schedules(records, engine).tick)
        app = create_app(records, engine, store.endpoint.bucket)
        server = create_server(
            app,
            host=HOST,
            port=settings.kfp_port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            max_request_body_size=2 * LARGEST_BYTES,
            ident="",
        )

        def stop(*_: int | FrameType | None) -> None:
            raise SystemExit(0)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, stop)
        try:
            engine.start()
            server.run()
        finally:
            server.close()
            engine.close()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--components",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Folder with the kfp_config.ini of containerised components.  [default: the package `components`]",
)
def main(components: Path | None) -> None:
    """Serve the Kubeflow Pipelines API of this machine."""
    settings = load()
    logs.configure(settings)
    serve(settings, components or components_folder())


if __name__ == "__main__":
    sys.exit(1 if run(main, "pipelines", program="python -m pipeline.local") else 0)
