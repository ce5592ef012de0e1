"""`python -m serving.sync`: keep version folders in step with production.

    python -m serving.sync                                   # the model and folder of the settings, until stopped
    python -m serving.sync --model waste --model plants --folder /models
    python -m serving.sync --once                            # bring what is in production now, then end

It may be killed at any time: whatever it was doing is finished, or begun anew, by the next one.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from binocular import logs
from binocular.errors import BinocularError, of_this_machine
from binocular.parts import served_folder
from binocular.settings import Settings, load, variable
from binocular.signatures import trust
from binocular.store import connect
from serving.sync.folder import ModelFolder
from serving.sync.following import Follower, Habits, Status
from serving.sync.health import Health
from serving.sync.metrics import Metrics

EXIT_FAILED = 1

log = logging.getLogger("serving.sync")


class Puller:
    """A follower for each model, a thread each, and the health of all."""

    def __init__(self, settings: Settings, models: list[str], folder: Path) -> None:
        self._stop = threading.Event()
        self._metrics = Metrics()
        habits = Habits(settings.puller_poll_s, settings.puller_keep, settings.puller_grace_s, trust(settings))
        store = connect(settings)
        self._followers = [
            Follower(store, name, ModelFolder(folder, name), habits, self._metrics) for name in models
        ]
        self._threads: list[threading.Thread] = []
        self._metrics.watch(self.statuses)
        self._settings, self._models, self._folder = settings, models, folder

    def statuses(self) -> list[Status]:
        """How it stands with each model."""
        return [follower.status for follower in self._followers]

    def once(self) -> int:
        """Bring what is in production; the exit code says whether each model is in step."""
        for follower in self._followers:
            follower.once()
        for status in self.statuses():
            if not status.in_step:
                log.error("not in step", extra={"model": status.model, "problem": status.problem})
        return 0 if all(status.in_step for status in self.statuses()) else EXIT_FAILED

    def run(self) -> None:
        """Follow until a signal says stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        host, port = self._settings.puller_host, self._settings.puller_port
        Health(host, port, self.statuses, self._alive, self._metrics).start()
        for name, follower in zip(self._models, self._followers, strict=True):
            thread = threading.Thread(
                target=follower.follow, args=(self._stop,), name=f"follow-{name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        log.info("following", extra={"models": ",".join(self._models), "folder": self._folder})
        self._stop.wait()
        log.info("stopped")

    def _alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)


def main() -> int:
    """Run the puller; the exit code says how it went."""
    parser = argparse.ArgumentParser(prog="python -m serving.sync", description="Keep version folders in step.")
    parser.add_argument(
        "--model", action="append", help=f"A model to follow; may be repeated. [{variable('model_name')}]"
    )
    parser.add_argument(
        "--folder", type=Path, help=f"Where the version folders are. [{variable('puller_folder')}]"
    )
    parser.add_argument("--once", action="store_true", help="Bring what is in production now, then end.")
    arguments = parser.parse_args()
    try:
        settings = load()
        logs.configure(settings)
        models = sorted(set(arguments.model or [settings.model_name]))
        folder = arguments.folder or served_folder(settings)
        puller = Puller(settings, models, folder)
        if arguments.once:
            return puller.once()
        puller.run()
    except BinocularError as error:
        print(f"puller: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"puller: {of_this_machine(error)}", file=sys.stderr)
        return EXIT_FAILED
    # Nothing is lost by not waiting for a download, which may take as long as a store that went away.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
