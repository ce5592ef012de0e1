"""The gateway from Python: ask, correct, contribute, train, roll back.

    client = Client()                                        # this machine's gateway and token
    client = Client("https://binocular.example.com", "…")    # another one

    found = client.predict("photo.jpg")
    if found.label == "unknown":
        client.correct(found.id, "glass")
    client.upload("photos/")                                 # a folder of class folders
    run = client.wait(client.retrain(epochs=30))
    print(run.verdict.summary if run.verdict else run.error)

What the gateway refuses is a `GatewayRefusedError` with its words, and its `code` and `status` in `details`; one
that is not there, or has too much to do, is a `GatewayUnavailableError`. With `patience_s` a call is made again
for so long before that. That is safe for every call: none does twice what was asked once.
"""

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import urllib3
from pydantic import BaseModel, ValidationError

from binocular.asking import Asked, no_gateway
from binocular.errors import RunFailedError, SourceError
from binocular.flow import ENDED
from binocular.layout import Layout, is_candidate
from binocular.messages import Feedback, Prediction, Retrain, Started, Stored, Taken
from binocular.messages.models import Models, Promote, Promoted
from binocular.messages.runs import RunDetail, RunList, RunSummary
from binocular.messages.status import Status
from binocular.parts import gateway_token, gateway_url
from binocular.settings import load

M = TypeVar("M", bound=BaseModel)

POLL_S = 1.0
DAY_S = 86400.0
# One request of an upload: well below what a gateway takes unless its settings say less.
FILES_AT_ONCE, BYTES_AT_ONCE = 200, 8_000_000
JSON = {"Content-Type": "application/json"}
ANY_BYTES = {"Content-Type": "application/octet-stream"}


class Client:
    """A gateway, as a program uses it. Safe to share between threads."""

    def __init__(self, url: str | None = None, token: str | None = None, *, patience_s: float = 0.0) -> None:
        """Without an address, this machine's gateway with its token, as the settings say."""
        if url is None:
            settings = load()
            url, token = gateway_url(settings), token or gateway_token(settings)
        self._gateway = Asked(url.rstrip("/"), token or "", patience_s)

    def predict(self, image: str | Path | bytes, *, top_k: int | None = None) -> Prediction:
        """What an image shows: a file, or the bytes of one."""
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        path = "/v1/predict" if top_k is None else f"/v1/predict?top_k={top_k}"
        return self._ask(Prediction, "POST", path, data, ANY_BYTES)

    def correct(self, prediction: str | Prediction, label: str) -> Stored:
        """Say what the image of an earlier prediction really shows; the next training learns it."""
        told = Feedback(id=prediction.id if isinstance(prediction, Prediction) else prediction, label=label)
        return self._ask(Stored, "POST", "/v1/feedback", _json(told), JSON)

    def upload(self, source: str | Path | Iterable[str | Path], label: str | None = None) -> Taken:
        """Give labelled photos to the next training: a folder of class folders, or with `label` a folder or files.

        What comes back says what was stored, what was there already and what was refused, file by file.
        """
        total = Taken(stored=0, duplicates=0, labels={}, refused=[], conflicts=[])
        for name, files in _requests(_labelled(source, label)):
            body, kind = urllib3.encode_multipart_formdata(
                [("label", name), *(("files", (path.name, path.read_bytes())) for path in files)]
            )
            total = _sum(total, self._ask(Taken, "POST", "/v1/images", body, {"Content-Type": kind}))
        return total

    def retrain(self, /, **parameters: object) -> Started:
        """Start a training; parameters are the pipeline's. Refused while another goes, with its `run_id`."""
        # Made once a call, so that asking again cannot start a second.
        headers = {**JSON, "Idempotency-Key": uuid.uuid4().hex}
        return self._ask(Started, "POST", "/v1/retrain", _json(Retrain(parameters=parameters or None)), headers)

    def wait(self, run: str | Started | RunSummary, *, within_s: float = DAY_S) -> RunDetail:
        """The run once it has ended, however it did; RunFailedError if that takes longer."""
        run_id = run if isinstance(run, str) else run.run_id if isinstance(run, Started) else run.id
        end = time.monotonic() + within_s
        while (found := self.run(run_id)).state not in ENDED:
            if time.monotonic() > end:
                raise RunFailedError(f"run {run_id} is {found.state} after {within_s:g} s")
            time.sleep(POLL_S)
        return found

    def run(self, run_id: str) -> RunDetail:
        """One run: its steps and its verdict."""
        return self._ask(RunDetail, "GET", f"/v1/runs/{run_id}")

    def runs(self, limit: int = 20) -> list[RunSummary]:
        """The newest runs."""
        return list(self._ask(RunList, "GET", f"/v1/runs?limit={limit}").runs)

    def terminate(self, run_id: str) -> RunDetail:
        """End a run."""
        return self._ask(RunDetail, "POST", f"/v1/runs/{run_id}/terminate")

    def models(self, limit: int = 20) -> Models:
        """The versions of the model, the newest first, and which is in production."""
        return self._ask(Models, "GET", f"/v1/models?limit={limit}")

    def promote(self, version: int, *, why: str = "by a program", over: int | None = None) -> Promoted:
        """Put a version into production, forward or back; with `over`, only while that one is there."""
        return self._ask(
            Promoted, "POST", f"/v1/models/{version}/promote", _json(Promote(why=why, over=over)), JSON
        )

    def status(self) -> Status:
        """How the gateway and what is behind it are."""
        return self._ask(Status, "GET", "/v1/status")

    def _ask(
        self,
        answers: type[M],
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> M:
        told = self._gateway.json(method, path, body, headers)
        try:
            return answers.model_validate(told, extra="ignore")  # a newer gateway may say more
        except ValidationError:
            raise no_gateway(self._gateway.url) from None


def _json(told: BaseModel) -> bytes:
    return json.dumps(told.model_dump(mode="json", exclude_none=True)).encode()


def _labelled(source: str | Path | Iterable[str | Path], label: str | None) -> Iterator[tuple[str, Path]]:
    """Each file with its class."""
    if isinstance(source, (str, Path)):
        folder = Path(source)
        if not folder.is_dir():
            raise SourceError(f"{folder} is no folder; a single file is given as [path] with a label")
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if label is None:
            layout = Layout(names, str(folder))
            found = ((place.label, folder / name) for name in names if (place := layout.place(name)))
        else:
            found = ((label, folder / name) for name in names if is_candidate(name))
        yield from found
        return
    if label is None:
        raise SourceError("files alone do not say what they show: give their label, or a folder of class folders")
    yield from ((label, Path(path)) for path in source)


def _requests(labelled: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, list[Path]]]:
    """Files of one class, as many as go into one request."""
    label, files, size = "", list[Path](), 0
    for name, path in labelled:
        more = path.stat().st_size
        if files and (name != label or len(files) == FILES_AT_ONCE or size + more > BYTES_AT_ONCE):
            yield label, files
            files, size = [], 0
        label, size = name, size + more
        files.append(path)
    if files:
        yield label, files


def _sum(one: Taken, other: Taken) -> Taken:
    return Taken(
        stored=one.stored + other.stored,
        duplicates=one.duplicates + other.duplicates,
        labels=dict(Counter(one.labels) + Counter(other.labels)),
        refused=[*one.refused, *other.refused],
        conflicts=[*one.conflicts, *other.conflicts],
    )
