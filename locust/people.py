"""The people of a load test: what each kind of them asks, and how often.

Whoever is turned away (429 or 503 with Retry-After) is counted apart from whom something fails.
"""

import random
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urljoin, urlsplit

from locust import FastHttpUser, between, task

from binocular.flow import ENDED, SUCCEEDED
from photos import Photo, Photos
from record import AWAY, PREDICTION

OK, ACCEPTED, CONFLICT = 200, 202, 409
BUSY = (429, 503)
BATCH = 8
JPEG = {"Content-Type": "image/jpeg"}
FIRST_PAGE = "/"
# What a page brings with it.
PARTS = re.compile(r"""<(?:script|link|img)\b[^>]*?\b(?:src|href)="([^"#]+)""")
WATCH_EVERY_S = 2.0


class Person(FastHttpUser):
    """Somebody who thinks for a while between two requests."""

    abstract = True
    wait_time = between(1, 3)
    connection_timeout = 30.0
    network_timeout = 30.0
    photos: Photos
    token = ""

    def ask(self, method: str, path: str, name: str, *, good: Collection[int] = (OK,), **options: Any) -> Any:  # noqa: ANN401
        """The response where it is a good one, or else None."""
        with self.client.request(method, path, name=name, catch_response=True, **options) as response:
            if response.status_code in good:
                response.success()
                return response
            if response.status_code in BUSY and "Retry-After" in (response.headers or {}):
                response.request_meta["name"] = f"{name} {AWAY}"
                response.success()
                return None
            response.failure(_complaint(response))
        return None

    def predict(self, photo: Photo, name: str) -> dict[str, Any] | None:
        """The prediction for a photo."""
        response = self.ask("POST", "/v1/predict", f"{PREDICTION} {name}", data=photo.data, headers=JPEG)
        return None if response is None else dict(response.json())

    def bearer(self) -> dict[str, str]:
        """The header that carries the token."""
        return {"Authorization": f"Bearer {self.token}"}


class Visitor(Person):
    """Asks about one photo of usual size."""

    weight = 12

    @task
    def one(self) -> None:
        """One photo."""
        self.predict(random.choice(self.photos.small), "one")


class Photographer(Person):
    """Asks about what the phone has just taken."""

    weight = 1

    @task
    def large(self) -> None:
        """One photo of 12 megapixels."""
        self.predict(random.choice(self.photos.large), "12 megapixels")


class Collector(Person):
    """Asks about several photos at once."""

    weight = 1

    @task
    def batch(self) -> None:
        """A form of several files."""
        chosen = random.sample(self.photos.small, BATCH)
        form, headers = self.photos.form(chosen)
        self.ask("POST", "/v1/predict/batch", f"{PREDICTION} {BATCH} at once", data=form, headers=headers)


class Corrector(Person):
    """Says what the photo really shows. Only with a token: corrections become training data."""

    weight = 1

    @task
    def correct(self) -> None:
        """A prediction, and the right label for it."""
        photo = random.choice(self.photos.small)
        found = self.predict(photo, "one")
        if found is None or not found["kept"]:  # under load no image is kept, and the answer says so
            return
        # The truth where the model knows the classes of the sample; or else what it said.
        label = photo.label if photo.label in found["probabilities"] else found["best_guess"]
        self.ask(
            "POST", "/v1/feedback", "feedback", json={"id": found["id"], "label": label}, headers=self.bearer()
        )


class Watcher(Person):
    """Has the dashboard open."""

    weight = 2

    @task
    def look(self) -> None:
        """A page with what it brings with it, then what it asks."""
        page = self.ask("GET", FIRST_PAGE, f"page {FIRST_PAGE}")
        if page is None:
            return
        for link in PARTS.findall(page.text or ""):
            path = urljoin(FIRST_PAGE, link)
            if not urlsplit(path).netloc:
                self.ask("GET", path, "page parts")
        for path in ("/v1/status", "/v1/runs", "/v1/models"):
            self.ask("GET", path, path)


class Trainer(Person):
    """Starts one training and watches it to its end."""

    fixed_count = 1
    wait_time = between(WATCH_EVERY_S, WATCH_EVERY_S)
    run_id = ""

    @task
    def train(self) -> None:
        """Start it, or look how it is."""
        if not self.run_id:
            # 409: somebody else's is going, which is as good.
            started = self.ask("POST", "/v1/retrain", "retrain", good=(ACCEPTED, CONFLICT), headers=self.bearer())
            self.run_id = started.json()["run_id"] if started is not None else ""
            return
        run = self.ask("GET", f"/v1/runs/{self.run_id}", "watch a run")
        if run is None or (state := run.json()["state"]) not in ENDED:
            return
        if state != SUCCEEDED:
            self.environment.events.request.fire(
                request_type="RUN",
                name="training",
                response_time=0,
                response_length=0,
                exception=RuntimeError(f"run {self.run_id} is {state}"),
                context={},
            )
        self.environment.runner.quit()


def _complaint(response: Any) -> str:  # noqa: ANN401 - Locust's
    """What is wrong, in words that are the same for all to whom the same happened."""
    if not response.status_code:
        return str(response.error)
    try:
        return f"{response.status_code} {response.json()['code']}"
    except (ValueError, LookupError, TypeError):
        return f"{response.status_code} {(response.text or '')[:200]}"
