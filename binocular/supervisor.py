"""The process that keeps the parts of one machine running: `python -m binocular.supervisor`.

It starts the parts in order, each when those before it are ready, restarts one that ends, with growing
pauses, and stops all of them in reverse order when it is told to. What it knows, it writes where `state.py` says.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

from binocular import logs, processes
from binocular.errors import BinocularError, PortBusyError, ProcessError, in_words
from binocular.parts import Part, parts
from binocular.settings import Settings, load, variable
from binocular.state import Condition, PartState, State, hold_lock, log_folder, write_state

TICK_S = 0.1
PROBE_EVERY_S = 2.0
START_WITHIN_S = 60.0
START_ATTEMPTS = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# By then the pause is the longest; a number that doubles for a night is more than a float holds.
MOST_DOUBLINGS = 10
STABLE_S = 60.0
STOP_WITHIN_S = 15.0
LONGEST_LOG_BYTES = 10 << 20
LAST_LINES = 15
EXIT_LOCKED = 4

log = logging.getLogger(__name__)


class Runner:
    """One part: its process, its condition, and when to try again."""

    def __init__(self, part: Part, settings: Settings) -> None:
        self.part = part
        self.home = settings.home
        self.log_path = log_folder(settings) / f"{part.name}.log"
        self.state = PartState(part.name, part.url, str(self.log_path), since=time.time())
        self._process: subprocess.Popen[bytes] | None = None
        self._was_ready = False
        self._failures = 0
        self._act_at = 0.0  # monotonic: when to start again, or to probe next
        self._started = 0.0

    def tick(self, *, may_start: bool) -> None:
        """Move on by one step."""
        now = time.monotonic()
        if self._process is None:
            if may_start and self.state.condition != "failed" and now >= self._act_at:
                self._start(now)
        elif self._process.poll() is not None:
            self._ended(now, self._process.returncode)
        elif now >= self._act_at:
            self._probe(now)

    def _start(self, now: float) -> None:
        self._limit_log()
        environment = {
            **os.environ,
            **self.part.environment,
            **processes.mark(self.home),
            variable("home"): str(self.home),
        }
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                self.part.command,
                cwd=self.part.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started = self._act_at = now
        self._set("starting", pid=self._process.pid)

    def _probe(self, now: float) -> None:
        self._limit_log()
        try:
            self.part.ready()
        except (BinocularError, OSError) as error:
            self._act_at = now + (PROBE_EVERY_S if self._was_ready else TICK_S)
            if self._was_ready:
                self._set("not answering", in_words(error))
            elif now - self._started > START_WITHIN_S:
                self.stop()
                self._set("failed", f"not ready after {START_WITHIN_S:.0f} s: {in_words(error)}")
            return
        self._was_ready = True
        self._act_at = now + PROBE_EVERY_S
        self._set("ready")
        if now - self._started > STABLE_S:
            self._failures = 0

    def _ended(self, now: float, code: int) -> None:
        reason = processes.ended(code)
        if self._process is not None:  # its children must not keep its ports
            processes.signal_group(self._process.pid, signal.SIGKILL)
        self._process = None
        self._failures += 1
        if not self._was_ready and self._failures >= START_ATTEMPTS:
            self._set("failed", f"{reason}, {self._failures} times")
            return
        self._act_at = now + min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, MOST_DOUBLINGS), LONGEST_PAUSE_S)
        self.state.restarts += 1
        self._set("restarting", reason)

    def stop(self) -> None:
        """End the process and all that it started."""
        if self._process is not None:
            processes.signal_group(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_WITHIN_S)
            processes.signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        self._set("stopped")

    def failure(self) -> str:
        """Why it did not start, with the end of its log."""
        ends = self.log_path.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join(
            [f"{self.part.name} did not start ({self.state.reason}); {self.log_path} ends with", *ends]
        )

    def _set(self, condition: Condition, reason: str = "", pid: int | None = None) -> None:
        if condition != self.state.condition:
            self.state.since = time.time()
            level = logging.WARNING if reason else logging.INFO
            log.log(
                level,
                "part %s",
                condition,
                extra={"part": self.part.name, **({"reason": reason} if reason else {})},
            )
        self.state.condition, self.state.reason = condition, reason
        self.state.pid = self._process.pid if self._process else pid

    def _limit_log(self) -> None:
        """Keep one older log, as far as there is room; the process goes on appending to the same file."""
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > LONGEST_LOG_BYTES:
                with contextlib.suppress(OSError):
                    shutil.copyfile(self.log_path, self.log_path.with_suffix(".log.1"))
                os.truncate(self.log_path, 0)


class Supervisor:
    """All parts, and the file that tells about them."""

    def __init__(self, settings: Settings, wanted: list[Part]) -> None:
        self.settings = settings
        self.runners = [Runner(part, settings) for part in wanted]
        self._stopping = False
        self._written: State | None = None

    def run(self) -> None:
        """Keep the parts running until a signal says stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._clear_the_way()
            while not self._stopping:
                self.tick()
                time.sleep(TICK_S)
        finally:
            for runner in reversed(self.runners):
                runner.stop()
            processes.stop(processes.ours(self.settings.home), STOP_WITHIN_S)
        self._write()

    def _on_signal(self, *_: object) -> None:
        self._stopping = True

    def _clear_the_way(self) -> None:
        """End what an earlier supervisor left behind, and name whoever else holds a port."""
        if left := processes.ours(self.settings.home):
            log.warning("ending processes an earlier supervisor left", extra={"pids": [p.pid for p in left]})
            processes.stop(left, STOP_WITHIN_S)
        for runner in self.runners:
            for port in runner.part.ports:
                if not processes.is_free(port):
                    part = runner.part
                    raise PortBusyError(
                        f"port {port}, which {part.name} needs, is held by {processes.holder(port)}; "
                        f"end it, or set {part.port_setting}"
                    )

    def tick(self) -> None:
        """Move every part on by one step; ProcessError when one cannot be started at all."""
        may_start = True
        for runner in self.runners:
            runner.tick(may_start=may_start)
            may_start = may_start and runner.state.condition == "ready"
            if runner.state.condition == "failed":
                raise ProcessError(runner.failure())
        self._write()

    def _write(self) -> None:
        """Tell how the parts are. A full disk is no reason to stop them: it is told as soon as there is room."""
        state = State(os.getpid(), [replace(runner.state) for runner in self.runners])
        if state == self._written:
            return
        with contextlib.suppress(OSError):
            write_state(self.settings, state)
            self._written = state


def main() -> int:
    """Supervise until told to stop; the exit code says how it went."""
    settings = load()
    logs.configure(settings)
    with hold_lock(settings) as mine:
        if not mine:
            return EXIT_LOCKED
        try:
            Supervisor(settings, parts(settings)).run()
        except (BinocularError, OSError) as error:
            reason = in_words(error)
            log.error("supervisor gave up", extra={"reason": reason})  # noqa: TRY400 - a reason, not a defect
            write_state(settings, State(os.getpid(), [], reason))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
