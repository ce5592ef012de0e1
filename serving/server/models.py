"""The versions in memory, and the thread that makes them those that should be.

A new version is loaded before the old one is let go, so that a model which answered once always answers. A
version that fails to load leaves the old one where it is. A version is let go when the last request that uses
it has its answer.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from binocular.wire.codes import StatusCode
from serving.server.config import ModelConfig
from serving.server.deadline import Deadline
from serving.server.engines import Engine
from serving.server.lent import Lent
from serving.server.plan import Model, check_labels
from serving.server.servable import Servable, State
from serving.server.status import ServingError

log = logging.getLogger(__name__)

# How often whoever waits for a version looks whether they still should.
TICK_S = 0.1
# Makes the engine of a version: model, version, folder.
Load = Callable[[str, int, Path], Engine]


@dataclass(frozen=True)
class Retries:
    """How often and how fast a failed load is tried again."""

    times: int
    interval_s: float


class Models:
    """Every model and version of this server. `start` begins the thread, `stop` ends everything."""

    def __init__(self, load: Load, retries: Retries, *, poll_s: float = 1.0, loads_at_once: int = 0) -> None:
        self._load, self._retries, self._poll_s = load, retries, poll_s
        self._loading = threading.BoundedSemaphore(loads_at_once) if loads_at_once else nullcontext()
        self._changed = threading.Condition()
        self._models: dict[str, Model] = {}
        self._retired: list[Model] = []  # of no config any more, until their last version is unloaded
        self._stopping = False
        self._thread = threading.Thread(target=self._live, name="models", daemon=True)

    # -- What is configured

    def configure(self, configs: list[ModelConfig], *, labels_before_loading: bool = False) -> list[str]:
        """Replace what is served; the names that are new. FAILED_PRECONDITION for a label on an absent version."""
        with self._changed:
            for config in configs:
                known = self._models.get(config.name)
                check_labels(config, known, labels_before_loading=labels_before_loading)
            new = [config.name for config in configs if config.name not in self._models]
            kept: dict[str, Model] = {}
            for config in configs:
                model = self._models.get(config.name) or Model(config)
                # Until the next poll, what was wanted stays wanted.
                model.config, model.labels = config, dict(config.labels)
                kept[config.name] = model
            for name, model in self._models.items():
                if name not in kept:
                    model.aspired = {}
                    self._retired.append(model)
            self._models = kept
        if self._poll_s >= 0:
            self._poll()
        with self._changed:
            self._changed.notify_all()
        return new

    def configs(self) -> list[ModelConfig]:
        """What is configured now."""
        with self._changed:
            return [model.config for model in self._models.values()]

    # -- Who asks

    def use(self, name: str, version: int | None, label: str = "") -> Lent[Servable]:
        """A version to ask: the one named, or the highest that answers. It stays while it is used."""

        def take() -> Servable:
            with self._changed:
                servable = self._find(name, version, label)
                servable.in_use += 1
            return servable

        return Lent(take, self._let_go)

    def _let_go(self, servable: Servable) -> None:
        with self._changed:
            servable.in_use -= 1
            if not servable.in_use and servable.state is State.UNLOADING:
                self._changed.notify_all()

    def _find(self, name: str, version: int | None, label: str) -> Servable:
        model = self._models.get(name)
        if label:
            if model is None or label not in model.labels:
                raise ServingError(StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")
            version = model.labels[label]
        if model is not None:
            available = model.available()
            if version is None and available:
                return model.servables[available[-1]]
            if version in available and version is not None:
                return model.servables[version]
        asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise ServingError(StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")

    def versions(self, name: str, version: int | None = None) -> list[Servable]:
        """What is known of a model's versions, or of one, the highest first: copies, which change no more."""
        with self._changed:
            model = self._models.get(name) or next((m for m in self._retired if m.config.name == name), None)
            found = sorted(model.servables) if model else []
            if version is not None:
                if version not in found:
                    raise ServingError(StatusCode.NOT_FOUND, f"Could not find version {version} of model {name}")
                found = [version]
            if model is None or not found:
                raise ServingError(StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
            return [replace(model.servables[v], engine=None) for v in reversed(found)]

    def __contains__(self, name: str) -> bool:
        """Whether a model is configured."""
        return name in self._models

    def every(self) -> list[Servable]:
        """Every version of every model that is configured, as copies."""
        with self._changed:
            return [replace(it, engine=None) for m in self._models.values() for it in m.servables.values()]

    # -- The life of versions

    def start(self) -> None:
        """Begin to poll the folders and to load what is there."""
        self._thread.start()

    def wait(self, names: list[str], deadline: Deadline) -> list[Servable]:
        """Wait until each of these models answers or cannot; the failed versions of those that cannot."""
        with self._changed:
            while True:
                models = [self._models[name] for name in names if name in self._models]
                if all(model.settled() for model in models):
                    return [
                        replace(model.servables[version])
                        for model in models
                        if not model.available()
                        for version in sorted(model.given_up)
                    ]
                deadline.check()
                self._changed.wait(TICK_S)

    def stop(self, patience_s: float) -> bool:
        """Let go of everything; whether that came to its end within this time, which requests may prevent."""
        with self._changed:
            self._stopping = True
            for model in self._models.values():
                model.aspired = {}
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _live(self) -> None:
        """Poll when it is time, and do what is to be done, until stopped and empty."""
        next_poll = time.monotonic() + self._poll_s
        while True:
            if self._poll_s > 0 and time.monotonic() >= next_poll:
                self._poll()
                next_poll = time.monotonic() + self._poll_s
            with self._changed:
                if self._step():
                    continue
                if self._stopping and not self._in_memory():
                    return
                self._changed.wait(max(0.0, next_poll - time.monotonic()) if self._poll_s > 0 else None)

    def _in_memory(self) -> bool:
        return any(
            it.state in (State.AVAILABLE, State.UNLOADING)
            for model in [*self._models.values(), *self._retired]
            for it in model.servables.values()
        )

    def _poll(self) -> None:
        """Look which versions are there. A folder that cannot be read changes nothing, for no model."""
        for config in self.configs():
            try:
                found = config.aspired()  # without the lock: a slow disk must keep no request waiting
            except OSError as error:
                log.error("cannot read a model's folder", extra={"model": config.name, "why": error})  # noqa: TRY400
                continue
            with self._changed:
                model = self._models.get(config.name)
                if model is None or model.config is not config or self._stopping:
                    continue
                if not model.polled and not found:
                    log.warning("no version yet", extra={"model": config.name, "folder": config.base_path})
                model.aspired, model.polled = found, True
                model.given_up &= set(found)

    def _step(self) -> bool:
        """Do one thing that is to be done; whether there was one."""
        for model in [*self._models.values(), *self._retired]:
            for servable in model.servables.values():
                if servable.state is State.UNLOADING and not servable.in_use:
                    self._unload(servable)
                    return True
            superfluous = model.superfluous()
            if superfluous is not None:
                servable = model.servables[superfluous]
                servable.state = State.UNLOADING
                _tell("unloading", servable)
                return True
            missing = model.missing()
            if missing and not model.loading() and not self._stopping:
                self._begin(model, missing[-1])
                return True
        self._retired = [m for m in self._retired if any(it.alive for it in m.servables.values())]
        return False

    def _unload(self, servable: Servable) -> None:
        engine, servable.engine = servable.engine, None
        self._changed.release()  # a slow close must keep no request waiting
        try:
            if engine:
                engine.close()
        except Exception:
            log.exception("a version could not be closed", extra={"version": servable.version})
        finally:
            self._changed.acquire()
        servable.state = State.END
        _tell("unloaded", servable)
        self._changed.notify_all()

    def _begin(self, model: Model, version: int) -> None:
        """Load a version, in a thread of its own: one that never ends keeps nothing else waiting."""
        servable = Servable(model.config.name, version, model.aspired[version])
        model.servables[version] = servable
        threading.Thread(
            target=self._try, args=(model, servable), name=f"load-{servable.model}-{version}", daemon=True
        ).start()

    def _try(self, model: Model, servable: Servable) -> None:
        with self._changed:
            servable.state = State.LOADING
        _tell("loading", servable)
        for attempt in range(self._retries.times + 1):
            if attempt and not self._pause(model, servable):
                break
            try:
                started = time.monotonic()
                with self._loading:
                    engine = self._load(servable.model, servable.version, servable.path)
            except Exception as error:  # noqa: BLE001 - a damaged model makes its library raise anything
                code = error.canonical if isinstance(error, ServingError) else StatusCode.UNKNOWN
                message = str(error) or type(error).__name__
                log.error(  # noqa: TRY400 - the traceback of a library says nothing to who reads this
                    "a version does not load",
                    extra={
                        "model": servable.model,
                        "version": servable.version,
                        "why": message,
                        "try": attempt + 1,
                    },
                )
                with self._changed:
                    servable.code, servable.message = code, message
                continue
            with self._changed:
                servable.engine, servable.state = engine, State.AVAILABLE
                servable.code, servable.message = StatusCode.OK, ""
                _tell("available", servable, engine=engine.name, seconds=round(time.monotonic() - started, 3))
                self._changed.notify_all()
            return
        with self._changed:
            servable.failed(servable.code, servable.message)
            if servable.version in model.aspired:
                model.given_up.add(servable.version)
            self._changed.notify_all()

    def _pause(self, model: Model, servable: Servable) -> bool:
        """Wait for the next attempt; whether there should be one."""
        end = time.monotonic() + self._retries.interval_s
        with self._changed:
            while servable.version in model.aspired and not self._stopping:
                left = end - time.monotonic()
                if left <= 0:
                    return True
                self._changed.wait(min(left, TICK_S))
        return False


def _tell(event: str, servable: Servable, **extra: object) -> None:
    log.info(f"version {event}", extra={"model": servable.model, "version": servable.version, **extra})  # noqa: G004
