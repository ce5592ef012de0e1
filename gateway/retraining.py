"""Starting a training: one at a time among all workers and gateways, and once for each idempotency key.

Both are kept in the store. The lease names the training that goes; whoever starts one takes it by a conditional
write, before asking the pipelines API, and under a name that the run then bears: if the taker dies in between,
the next one finds the run by its name, or waits until the lease is over and knows that there is none. A lease ends
with its run. Nothing is written while the pipelines API does not answer.
"""

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from binocular.documents import Document
from binocular.errors import BinocularError, NotFoundError, RequestError, RetrainingError
from binocular.flow import ENDED
from binocular.scheduling import package_of
from binocular.settings import Settings
from binocular.store import Store

if TYPE_CHECKING:
    from binocular.runs import Runs

PREFIX = "retraining"
# How long somebody may take from the lease to the run before others take it that there is none.
LEASE_S = 60.0
# A run is looked for by its name among so many of the newest.
LOOKED_BACK = 50
NAME = "name"
# How the name of a run begins that is started here.
PREFIX_OF_NAME = "retraining "

log = logging.getLogger(__name__)


class Lease(Document):
    """The training that goes, or went last."""

    id: str
    taken: float  # seconds since the epoch; 0: given back
    key: str  # the digest of the idempotency key; nothing where there was none
    asked: str  # the digest of the parameters
    run_id: str = ""


class Known(Document):
    """What an idempotency key started."""

    asked: str
    run_id: str


class Retraining:
    """Trainings of one model."""

    def __init__(
        self, store: Store, runs: "Callable[[], Runs]", usual: Callable[[], Mapping[str, Any]], settings: Settings
    ) -> None:
        self._store = store
        self._runs = runs
        self._usual = usual
        self._settings = settings
        self._prefix = f"{PREFIX}/{settings.model_name}"

    def start(self, parameters: Mapping[str, Any] | None, key: str) -> str:
        """Start a training, or find what this key started: the id of its run. RetrainingError while one goes.

        Without parameters it is told the usual ones.
        """
        texts = None if parameters is None else self._texts(parameters)
        package = package_of(self._settings)
        mine = Lease(id=uuid.uuid4().hex, taken=time.time(), key=_digest(key) if key else "", asked=_digest(texts))
        if found := self._known(mine):
            return found
        runs = self._runs()
        runs.newest(1)  # the pipelines API answers, or this says so before anything is written
        present, etag = self._lease()
        if present and (found := self._ended(runs, present, mine)):
            return found
        if texts is None:
            texts = self._texts(self._usual())
        taken = self._take(mine, etag)
        try:
            run_id = runs.submit(package, texts, name=_name(mine))
        except (RequestError, NotFoundError):
            self._store.replace(self._lease_key, _bytes(mine.model_copy(update={"taken": 0.0})), taken)
            raise
        self._note(mine.model_copy(update={"run_id": run_id}), taken)
        return run_id

    def last(self) -> Lease | None:
        """The training that goes, or went last; one that was given back has no time."""
        return self._lease()[0]

    def _ended(self, runs: "Runs", present: Lease, mine: Lease) -> str:
        """Return where the lease is free again; the id of its run where the same key asked for it."""
        run_id = present.run_id or _by_name(runs, present)
        if run_id:
            self._remember(present, run_id)
            if present.key and present.key == mine.key:
                return self._known(mine)
            if _goes(runs, run_id):
                raise RetrainingError(f"training {run_id} is going; one goes at a time", run_id=run_id)
        elif time.time() - present.taken < LEASE_S:
            raise RetrainingError("a training is being started at this moment; one goes at a time")
        return ""

    def _take(self, mine: Lease, etag: str) -> str:
        """The lease's new ETag; RetrainingError where somebody else was first."""
        if etag:
            taken = self._store.replace(self._lease_key, _bytes(mine), etag)
        elif self._store.create(self._lease_key, _bytes(mine)):
            present, taken = self._lease()
            taken = taken if present and present.id == mine.id else None
        else:
            taken = None
        if not taken:
            raise RetrainingError("a training is being started at this moment; one goes at a time")
        return taken

    def _note(self, started: Lease, etag: str) -> None:
        """Write down what runs. Where that fails the run is found by its name later, so it is no failure."""
        try:
            self._store.replace(self._lease_key, _bytes(started), etag)
            self._remember(started, started.run_id)
        except BinocularError as error:
            log.warning("the run is not noted yet", extra={"run": started.run_id, "why": str(error)})

    def _known(self, mine: Lease) -> str:
        """The run that this key started; nothing where it started none."""
        if not mine.key:
            return ""
        key = self._key_of(mine)
        try:
            known = Known.parse(self._store.read(key).data, key)
        except NotFoundError:
            return ""
        if known.asked != mine.asked:
            raise RequestError(
                "this Idempotency-Key was used with other parameters; make a new one for a new request"
            )
        return known.run_id

    def _remember(self, lease: Lease, run_id: str) -> None:
        if lease.key:
            self._store.create(self._key_of(lease), _bytes(Known(asked=lease.asked, run_id=run_id)))

    def _lease(self) -> tuple[Lease | None, str]:
        try:
            found = self._store.read(self._lease_key)
        except NotFoundError:
            return None, ""
        return Lease.parse(found.data, self._lease_key), found.etag

    @property
    def _lease_key(self) -> str:
        return f"{self._prefix}/lease.json"

    def _key_of(self, lease: Lease) -> str:
        return f"{self._prefix}/keys/{lease.key}.json"

    def _texts(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Parameters as the texts that a run takes; the name of the model is ours to say."""
        if NAME in parameters:
            raise RequestError(f"parameters: {NAME!r} is the gateway's own, {self._settings.model_name!r}")
        given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
        return {**given, NAME: self._settings.model_name}


def _goes(runs: "Runs", run_id: str) -> bool:
    try:
        return runs.get(run_id).state not in ENDED
    except NotFoundError:  # somebody deleted it
        return False


def _by_name(runs: "Runs", lease: Lease) -> str:
    """The run that was started under a lease; nothing where there is none."""
    for run in runs.newest(LOOKED_BACK):
        if run.display_name == _name(lease):
            return str(run.run_id)
    return ""


def _name(lease: Lease) -> str:
    return f"{PREFIX_OF_NAME}{lease.id}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _bytes(document: Document) -> bytes:
    return document.text().encode()
