"""The gateway under gunicorn: worker processes with threads.

Threads, since decoding an image and waiting for the model both leave Python's lock to others; processes, for the
rest.

TERM lets requests in flight end; HUP does so too, worker by worker, while new ones already serve.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from prometheus_client import multiprocess

from binocular.logs import configure
from binocular.parts import gateway_folder
from binocular.settings import Settings, load
from binocular.submitting import OURS
from gateway import create_app
from gateway.history import History
from gateway.line import MOST_WAITING
from gateway.services import services
from gateway.worker import SHARES, Worker

GRACE_S = 25
# Threads of a worker for everything but predictions.
OTHERS = 8
# A worker that hangs for longer than any request may take is replaced.
HANGS_S = 120
# A connection that is closed while a request is on its way fails that request: longer than clients and proxies
# usually keep one that is idle. It costs no thread meanwhile.
IDLE_S = 75
# Bodies that come in one step anyway, and how large a step is.
SMALL_BODY, STEP = 1 << 16, 1 << 20
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - for heartbeats, which must not wait for a disk


class Gateway(BaseApplication):  # type: ignore[misc]
    """Gunicorn, configured by our settings and by nothing else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        create_app(settings)  # thrown away: what it imports all workers have then, and what fails, fails once
        super().__init__()

    def load_config(self) -> None:
        """Our settings in gunicorn's words."""
        ours = self._settings
        chosen = {
            "bind": f"{ours.gateway_host}:{ours.gateway_port}",
            "workers": ours.gateway_workers,
            # Whoever waits for a turn holds a thread, and others must still be answered meanwhile.
            "threads": ours.gateway_threads + MOST_WAITING + OTHERS,
            "worker_class": type("Worker", (Worker,), {"receive_s": ours.gateway_receive_s}),
            "timeout": HANGS_S,
            "keepalive": IDLE_S,
            "graceful_timeout": GRACE_S,
            "control_socket_disable": True,
            # Nobody's headers say where a request came from or where it goes; see `gateway_proxies`.
            "forwarded_allow_ips": "",
            "worker_tmp_dir": SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None,
            "logger_class": Log,
            "child_exit": _forget,
            "when_ready": lambda _: _schedule(ours),
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:  # noqa: ANN401 - a WSGI application
        """The application, made in each worker."""
        settings = load()
        configure(settings)
        History(gateway_folder(settings)).watch()
        app = create_app(settings)
        with app.app_context():
            services().automatic.look_soon()  # another gateway may have been told what is due by now
        return in_large_steps(app)


class _Body(io.RawIOBase):
    """The body of a request."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401 - gunicorn's
        self._body = body

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - of bytes
        """As much as there is room for, or the rest."""
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def in_large_steps(app: WSGIApplication) -> WSGIApplication:
    """An application that gets large bodies from gunicorn in large steps, however small it asks for them.

    Gunicorn holds a megabyte that has come, and copies all of it whenever a part is taken.
    """

    def reading(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if int(environ.get("CONTENT_LENGTH") or 0) > SMALL_BODY:
            environ["wsgi.input"] = io.BufferedReader(_Body(environ["wsgi.input"]), STEP)
        return app(environ, start)

    return reading


def _schedule(settings: Settings) -> None:
    """See to trainings at set times, in a process of its own: the pipelines API may not be there yet."""
    if settings.gateway_retrain_cron:
        told = settings.model_dump_json(include={*OURS, "model_name", "gateway_package", "gateway_retrain_cron"})
        command = [sys.executable, "-m", "binocular.scheduling"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
        with child.stdin or io.BytesIO() as stdin:
            stdin.write(told.encode())


def _forget(_server: object, worker: Any) -> None:  # noqa: ANN401 - gunicorn's
    """Close the books of a worker that has ended."""
    SHARES.leave(worker.age)
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


class Log(Logger):  # type: ignore[misc]
    """Gunicorn's events go where ours go; its access log is off, since ours is structured."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn's
        """Leave everything to the root of Python's logging."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
