"""What waits for the next training, through the gateway: counted, listed, seen, taken back."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from binocular import registry
from binocular.bundle import FACTS, LABELS
from binocular.contributions import contribution_key
from binocular.settings import Settings
from binocular.store import Store, connect
from tests.bundles import facts
from tests.gateway_server import BEARER, NAME, documented_app, picture, settings_for
from tests.servers import drop_bucket

LONG_AGO, AT_LAST = "2020-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"

Client = Any


@pytest.fixture
def settings(embedded_store: Store, tmp_path: Path) -> Iterator[Settings]:
    """An empty bucket."""
    settings = settings_for(tmp_path / "home", embedded_store)
    yield settings
    drop_bucket(connect(settings))


@pytest.fixture
def store(settings: Settings) -> Store:
    """The store behind the gateway."""
    return connect(settings)


@pytest.fixture
def client(settings: Settings) -> Client:
    """A gateway on it."""
    return documented_app(settings).test_client()


def upload(client: Client, label: str, *datas: bytes) -> None:
    form = {"label": label, "files": [(io.BytesIO(data), f"{n}.png") for n, data in enumerate(datas)]}
    answer = client.post("/v1/images", data=form, headers=BEARER)
    assert answer.status_code == 200, answer.text


def listed(client: Client, **asked: Any) -> Any:
    answer = client.get("/v1/contributions", query_string=asked, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return answer.json


def address(data: bytes, kind: str = "uploads") -> str:
    return f"/v1/contributions/{kind}/{hashlib.sha256(data).hexdigest()}"


def test_before_anything_there_is_nothing(client: Client) -> None:
    found = client.get("/v1/data").json
    assert (found["images"], found["classes"], found["uploads"], found["feedback"]) == (0, [], 0, 0)
    assert "snapshot" not in found
    assert listed(client) == {"images": [], "total": 0}


def test_what_was_sent_is_counted_by_class(client: Client, store: Store) -> None:
    upload(client, "Glas é/?&".replace("/", "-"), picture(1), picture(2))
    upload(client, "metal", picture(3))
    store.create(contribution_key("feedback", "metal", "0" * 64), picture(4))
    store.put("uploads/no contribution of ours", b"x")
    found = client.get("/v1/data").json
    assert [(each["label"], each["uploads"], each["feedback"]) for each in found["classes"]] == [
        ("Glas é-?&", 2, 0),
        ("metal", 1, 1),
    ]
    assert (found["uploads"], found["feedback"]) == (3, 1)


def test_the_list_is_told_in_pages_each_image_once(client: Client) -> None:
    upload(client, "glass", *(picture(n) for n in range(5)))
    upload(client, "metal", *(picture(n) for n in range(5, 7)))
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        found = listed(client, limit=3, **after)
        seen += [each["sha256"] for each in found["images"]]
        assert found["total"] == 7
        if "next" not in found:
            break
        after = {"after": found["next"]}
    assert sorted(seen) == sorted(hashlib.sha256(picture(n)).hexdigest() for n in range(7))
    assert listed(client, label="metal")["total"] == 2
    assert listed(client, kind="feedback")["total"] == 0


@pytest.mark.parametrize(
    ("made", "looked", "waiting"),
    [(LONG_AGO, None, 1), (AT_LAST, None, 0), (AT_LAST, LONG_AGO, 1), (AT_LAST, AT_LAST, 0)],
)
def test_what_the_model_in_production_learnt_from_no_longer_waits(
    client: Client, store: Store, tmp_path: Path, made: str, looked: str | None, waiting: int
) -> None:
    upload(client, "glass", picture(1))
    facts(name=NAME, run="run-1", created=made, looked=looked).write(tmp_path / FACTS)
    (tmp_path / LABELS).write_text("[]")
    version = registry.publish_version(store, NAME, tmp_path)
    registry.promote(store, NAME, version, by="test", why="test", over=None)
    assert listed(client)["total"] == waiting
    assert listed(client, waits=False)["total"] == 1
    assert client.get("/v1/status").json["waiting"] == {"uploads": waiting, "feedback": 0}


def test_an_image_is_shown_small_upright_and_without_anything_else(client: Client) -> None:
    pixels = np.zeros((400, 1200, 3), np.uint8)
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "where I live"
    Image.fromarray(pixels).save(out, "JPEG", exif=exif)
    upload(client, "gläss & co", out.getvalue())
    answer = client.get(
        f"{address(out.getvalue())}/image", query_string={"label": "gläss & co", "side": 120}, headers=BEARER
    )
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"].startswith("private")
    small = Image.open(io.BytesIO(answer.data))
    assert small.size == (40, 120)
    assert b"where I live" not in answer.data


def test_an_image_is_for_those_who_may_send_some(client: Client) -> None:
    upload(client, "glass", picture(1))
    for path in ("/v1/contributions", f"{address(picture(1))}/image?label=glass"):
        assert client.get(path).status_code == 401
    assert client.delete(f"{address(picture(1))}?label=glass").status_code == 401


def test_what_was_taken_back_is_gone(client: Client, store: Store) -> None:
    upload(client, "glass", picture(1), picture(2))
    answer = client.delete(address(picture(1)), query_string={"label": "glass"}, headers=BEARER)
    assert answer.json == {
        "kind": "uploads",
        "label": "glass",
        "sha256": hashlib.sha256(picture(1)).hexdigest(),
    }
    assert [entry.key for entry in store.entries("uploads/")] == [
        contribution_key("uploads", "glass", hashlib.sha256(picture(2)).hexdigest())
    ]
    again = client.delete(address(picture(1)), query_string={"label": "glass"}, headers=BEARER)
    assert (again.status_code, again.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/contributions?limit=0", 400),
        ("/v1/contributions?after=nonsense", 400),
        ("/v1/contributions?kind=others", 400),
        (f"/v1/contributions/models/{'0' * 64}/image?label=a", 404),
        (f"/v1/contributions/uploads/{'0' * 64}/image?label=a", 404),
        (f"/v1/contributions/uploads/{'0' * 64}/image", 400),
        ("/v1/contributions/uploads/../image?label=a", 400),
        ("/v1/contributions/uploads/xyz/image?label=a", 400),
        (f"/v1/contributions/uploads/{'0' * 64}/image?label=a/b", 400),
        (f"/v1/contributions/uploads/{'0' * 64}/image?label=a&side=100000", 400),
    ],
)
def test_what_cannot_be_is_refused(client: Client, path: str, status: int) -> None:
    assert client.get(path, headers=BEARER).status_code == status


def test_what_takes_long_to_count_is_not_counted_at_each_look(
    client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.waiting.HARDLY_S", 0)
    monkeypatch.setattr("gateway.waiting.SHARE", 1e-9)

    def waiting() -> Any:
        return client.get("/v1/status").json["waiting"]["uploads"]

    upload(client, "glass", picture(1))
    assert waiting() == 1
    store.put(contribution_key("uploads", "glass", "0" * 64), b"of another worker")
    assert waiting() == 1
    upload(client, "metal", picture(2))
    assert waiting() == 3
    client.delete(address(picture(2)), query_string={"label": "metal"}, headers=BEARER)
    assert waiting() == client.get("/v1/data").json["uploads"] == 2
