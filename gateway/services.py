"""What the blueprints share, made when it is first needed: after a worker was forked, and not before."""

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from binocular.errors import AddressRefusedError
from binocular.parts import gateway_folder, model_address
from binocular.scheduling import package_of
from binocular.settings import Settings, variable
from binocular.store import Store, connect
from gateway.access import Door
from gateway.alike import parameters_of_production
from gateway.automatic import Automatic
from gateway.classifier import Classifier
from gateway.decisions import Decisions
from gateway.explanation import Explainer
from gateway.fetching import Fetcher
from gateway.history import History
from gateway.keeper import Keeper
from gateway.limits import Limits
from gateway.line import Line
from gateway.model import Model
from gateway.retraining import Retraining
from gateway.sessions import Sessions
from gateway.spool import Spool
from gateway.versions import Versions
from gateway.waiting import Counts

if TYPE_CHECKING:
    from binocular.runs import Runs

EXTENSION = "binocular"
MILLION = 1_000_000
# Attempts to sign in a minute, for each client: nobody mistypes more often.
SIGN_INS = 10


class Services:
    """The gateway's ways to the store, the model and the pipelines."""

    def __init__(self, settings: Settings) -> None:
        self.started = time.monotonic()
        # A request must end in time, so nothing behind it may take longer than our patience.
        patience = settings.gateway_patience_s
        self.settings = settings.model_copy(
            update={
                "store_timeout_s": min(settings.store_timeout_s, patience),
                "store_deadline_s": min(settings.store_deadline_s, patience),
                "kfp_timeout_s": min(settings.kfp_timeout_s, patience),
            }
        )

    @property
    def most_bytes(self) -> int:
        """How large a request may be, and an image."""
        return self.settings.gateway_body_mb * MILLION

    @property
    def most_pixels(self) -> int:
        """How large an image may be that is decoded."""
        return self.settings.gateway_megapixels * MILLION

    @cached_property
    def store(self) -> Store:
        """The object store."""
        return connect(self.settings)

    @cached_property
    def model(self) -> Model:
        """The model server."""
        settings = self.settings
        return Model(model_address(settings), settings.model_name, settings.gateway_deadline_s)

    @cached_property
    def versions(self) -> Versions:
        """What is known of each version."""
        return Versions(self.store, self.settings.model_name)

    @cached_property
    def waiting(self) -> Counts:
        """How much the next training would learn from."""
        return Counts(self.store)

    @cached_property
    def decisions(self) -> Decisions:
        """What was decided about the candidates of runs."""
        return Decisions(self.store, self.settings.model_name)

    @cached_property
    def history(self) -> History:
        """What the gateway did lately."""
        return History(gateway_folder(self.settings))

    @cached_property
    def classifier(self) -> Classifier:
        """What turns images into predictions."""
        return Classifier(self.model, self.versions, self.most_pixels, self.settings.gateway_deadline_s)

    @cached_property
    def explainer(self) -> Explainer:
        """What says why the model says what it says."""
        return Explainer(self.model, self.settings.gateway_deadline_s)

    @cached_property
    def explainers_line(self) -> Line:
        """Whose turn it is to be explained: one at once, since it costs as much as many predictions."""
        return Line(1, self.settings.gateway_deadline_s)

    @cached_property
    def line(self) -> Line:
        """Whose turn it is to be predicted."""
        return Line(self.settings.gateway_threads, self.settings.gateway_queue_s)

    @cached_property
    def limits(self) -> Limits:
        """How often each client may ask."""
        settings = self.settings
        return Limits(
            settings.home / "run",
            {
                "predict": settings.gateway_predict_limit,
                "write": settings.gateway_write_limit,
                "sign-in": SIGN_INS,
            },
        )

    @cached_property
    def keeper(self) -> Keeper:
        """The images of predictions."""
        settings = self.settings
        spool = Spool(gateway_folder(settings) / "kept")
        return Keeper(
            self.store,
            spool,
            settings.gateway_keep_hours,
            settings.gateway_keep_mb * MILLION,
            stays=not settings.store_url,
        )

    @cached_property
    def fetcher(self) -> Fetcher:
        """The way to images on the web."""
        return Fetcher(self.settings.gateway_fetch_s, self.most_bytes)

    def fetch(self, url: str) -> bytes:
        """The image behind an address, where that is allowed."""
        if not self.settings.gateway_fetch_urls:
            raise AddressRefusedError(
                f"no image is fetched from the web here: send its bytes, or set {variable('gateway_fetch_urls')}"
            )
        return self.fetcher.fetch(url)

    @cached_property
    def runs(self) -> "Runs":
        """The pipelines; imported late, since most workers never need them."""
        from binocular.runs import Runs  # noqa: PLC0415

        return Runs(self.settings, apart=True)

    @cached_property
    def retraining(self) -> Retraining:
        """The one training that may go at a time."""
        return Retraining(self.store, lambda: self.runs, self._usual_parameters, self.settings)

    def _usual_parameters(self) -> dict[str, Any]:
        """What a training is told where nobody says anything."""
        return parameters_of_production(self.versions, self.runs, package_of(self.settings))

    @cached_property
    def automatic(self) -> Automatic:
        """Trainings that nobody asks for."""
        return Automatic(self.store, self.versions, self.retraining, self.settings.gateway_retrain_after)

    @cached_property
    def sessions(self) -> Sessions:
        """Browsers that are signed in."""
        return Sessions(self.settings, Door(self.settings))

    @property
    def door(self) -> Door:
        """Who may change something: by a token, or by the session of a browser."""
        return self.sessions.door


def init_app(app: Flask, settings: Settings) -> None:
    """Give an application its services."""
    app.extensions[EXTENSION] = Services(settings)


def services() -> Services:
    """The services of the application at work."""
    found: Services = current_app.extensions[EXTENSION]
    return found
