"""Corrections and labelled images through the gateway, as they arrive in a real store."""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from binocular import registry
from binocular.contributions import contribution_key, parse_contribution
from binocular.errors import BinocularError
from binocular.parts import gateway_folder
from binocular.settings import Settings
from binocular.store import Store, connect
from components.ingest.contributed import contributions
from gateway import keeper as keeping
from gateway.corrections import Correction
from gateway.keeper import Keeper, key_of
from gateway.services import Services
from gateway.spool import Spool
from tests.gateway_server import BEARER, NAME, documented_app, picture, publish_facts, settings_for
from tests.servers import drop_bucket, free_port, wait_until
from tests.smalldisk import SmallDisk


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
def client(settings: Settings) -> Any:
    """A gateway on it."""
    return documented_app(settings).test_client()


def keep(client: Any, data: bytes) -> str:
    """Keep an image as a prediction does; its id."""
    (kept,) = keeper_of(client).keep([data])
    assert kept.is_kept
    return kept.prediction


def keeper_of(client: Any) -> Keeper:
    keeper: Keeper = client.application.extensions["binocular"].keeper
    return keeper


def correct(client: Any, prediction: str, label: str) -> Any:
    return client.post("/v1/feedback", json={"id": prediction, "label": label}, headers=BEARER)


def upload(client: Any, label: str | None, *datas: bytes) -> Any:
    form = {"files": [(io.BytesIO(data), f"{n}.png") for n, data in enumerate(datas)]}
    return client.post("/v1/images", data=form | ({} if label is None else {"label": label}), headers=BEARER)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def send_zip(client: Any, data: bytes) -> Any:
    return client.post("/v1/images", data=data, content_type="application/zip", headers=BEARER)


def keys(store: Store, prefix: str) -> list[str]:
    return [entry.key for entry in store.entries(prefix)]


def test_a_correction_becomes_training_data(client: Any, store: Store) -> None:
    data = picture()
    prediction = keep(client, data)
    answer = correct(client, prediction, "Glas é")
    sha256 = hashlib.sha256(data).hexdigest()
    assert answer.json == {"label": "Glas é", "sha256": sha256, "duplicate": False}
    assert store.read(contribution_key("feedback", "Glas é", sha256)).data == data
    [found] = contributions(store)
    assert (found.label, found.corrected, found.read()) == ("Glas é", True, data)
    assert correct(client, prediction, "Glas é").json["duplicate"] is True


def test_of_several_corrections_the_newest_counts(client: Any, store: Store) -> None:
    data = picture()
    first, again = keep(client, data), keep(client, data)
    for prediction, label in ((first, "glass"), (first, "metal"), (again, "paper"), (again, "metal")):
        assert correct(client, prediction, label).json["label"] == label
    assert [parse_contribution(key).label for key in keys(store, "feedback/")] == ["metal"]


def test_of_corrections_at_once_one_is_left(settings: Settings, store: Store) -> None:
    clients = [documented_app(settings).test_client() for _ in range(4)]
    prediction = keep(clients[0], picture())
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda pair: correct(pair[0], prediction, pair[1]), zip(clients, "abcd", strict=True))
        )
    assert {answer.status_code for answer in answers} == {200}
    [left] = [parse_contribution(key) for key in keys(store, "feedback/")]
    assert Correction.parse(store.read(f"corrections/{left.sha256}.json").data, "it").label == left.label


@pytest.mark.parametrize("prediction", ["", "x", "0" * 38, "../uploads/a", "f" * 38, "ü" * 38, "a" * 99])
def test_a_correction_of_nothing_is_refused(client: Any, prediction: str) -> None:
    answer = correct(client, prediction, "glass")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("label", ["", " ", "a/b", "a\\b", "..", "a\nb", "a\x00b", "x" * 101, " a", "\u2028"])
def test_a_label_that_could_be_no_class_is_refused(client: Any, store: Store, label: str) -> None:
    prediction = keep(client, picture())
    for answer in (correct(client, prediction, label), upload(client, label, picture())):
        assert answer.status_code == 400, answer.text
        assert answer.json["code"] == "invalid_label"
    assert not keys(store, "feedback/") + keys(store, "uploads/")


@pytest.mark.parametrize("body", [{}, {"id": "a"}, {"id": 7, "label": "a"}, {"id": "a", "label": "b", "c": 1}, []])
def test_a_correction_that_says_too_little_or_too_much_is_refused(client: Any, body: Any) -> None:
    answer = client.post("/v1/feedback", json=body, headers=BEARER)
    assert (answer.status_code, answer.json["code"]) == (400, "request")


def test_images_are_in_the_store_when_they_are_acknowledged(client: Any, store: Store) -> None:
    first, second = picture(1), picture(2)
    answer = upload(client, "glass", first, b"no image", second, first)
    assert answer.status_code == 200
    assert answer.json["stored"] == 2
    assert answer.json["labels"] == {"glass": 2}
    assert answer.json["duplicates"] == 1
    assert [(each["file"], each["code"]) for each in answer.json["refused"]] == [("1.png", "image")]
    assert {parse_contribution(key).sha256 for key in keys(store, "uploads/")} == {
        hashlib.sha256(data).hexdigest() for data in (first, second)
    }
    again = upload(client, "glass", first, second).json
    assert (again["stored"], again["duplicates"]) == (0, 2)


@pytest.mark.parametrize("one_by_one", [0, 100], ids=["listed", "one by one"])
def test_an_image_that_was_sent_under_another_label_too_is_told(
    client: Any, store: Store, monkeypatch: pytest.MonkeyPatch, one_by_one: int
) -> None:
    monkeypatch.setattr("gateway.data.ASKED_ONE_BY_ONE", one_by_one)
    store.put("uploads/%67lass/by hand", b"is nobody's class")
    data = picture(1)
    assert upload(client, "glass", data).json["conflicts"] == []
    both = upload(client, "metal", data, picture(2)).json
    assert (both["stored"], both["conflicts"]) == (2, [{"file": "0.png", "label": "metal", "others": ["glass"]}])
    in_one = send_zip(client, zipped(**{"a/1.png": picture(3), "b/1.png": picture(3)})).json
    assert [(each["label"], each["others"]) for each in in_one["conflicts"]] == [("a", ["b"]), ("b", ["a"])]
    # A correction settles it.
    correct(client, keep(client, data), "metal")
    assert upload(client, "metal", data).json["conflicts"] == []
    assert upload(client, "glass", data).json["conflicts"][0]["others"] == ["metal"]


def test_a_zip_of_class_folders_is_taken(client: Any, store: Store) -> None:
    data = zipped(
        **{
            "photos/glass/a.png": picture(1),
            "photos/glass/b.png": b"none",
            "photos/metal/c.png": picture(2),
            "photos/notes.txt": b"-",
        }
    )
    answer = send_zip(client, data)
    assert answer.status_code == 200, answer.text
    assert answer.json["labels"] == {"glass": 1, "metal": 1}
    assert [each["file"] for each in answer.json["refused"]] == ["photos/glass/b.png"]
    by_form = client.post("/v1/images", data={"files": (io.BytesIO(data), "x.zip")}, headers=BEARER).json
    assert by_form["duplicates"] == 2
    assert len(keys(store, "uploads/")) == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (zipped(**{"../glass/a.png": picture()}), "archive_refused"),
        (zipped(**{"/glass/a.png": picture()}), "archive_refused"),
        (zipped(**{"glass/../../a.png": picture()}), "archive_refused"),
        (zipped(**{"a.png": picture()}), "source"),
        (zipped(**{"glass/a.png": picture(), "Glass/b.png": picture(1)}), "source"),
        (zipped(**{"gl\nass/a.png": picture()}), "archive_refused"),
        (zipped(), "source"),
        (zipped(**{"glass/a.png": picture()})[:-10], "archive_refused"),
        (b"PK\x03\x04", "archive_refused"),
        (b"Rar!", "archive_refused"),
        (b"", "archive_refused"),
    ],
)
def test_a_zip_that_means_harm_or_nothing_stores_nothing(
    client: Any, store: Store, data: bytes, code: str
) -> None:
    answer = send_zip(client, data)
    assert (answer.status_code, answer.json["code"]) == (400, code), answer.text
    assert not keys(store, "uploads/")


def test_a_bomb_in_a_zip_is_refused(client: Any, store: Store) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glass/a.png", bytes(15_000_000))
    answer = send_zip(client, out.getvalue())
    assert (answer.status_code, answer.json["code"]) == (400, "archive_refused")
    assert not keys(store, "uploads/")


def test_a_class_of_which_all_was_taken_back_hinders_none_that_is_like_it(client: Any) -> None:
    data = picture(1)
    upload(client, "Glas", data)
    assert upload(client, "glas", data).status_code == 400
    sha256 = hashlib.sha256(data).hexdigest()
    gone = client.delete(f"/v1/contributions/uploads/{sha256}", query_string={"label": "Glas"}, headers=BEARER)
    assert gone.status_code == 200
    answer = upload(client, "glas", data).json
    assert (answer["stored"], answer["conflicts"]) == (1, [])


def test_a_class_that_differs_from_a_known_one_by_case_alone_is_refused(
    client: Any, store: Store, tmp_path: Path
) -> None:
    publish_facts(store, tmp_path / "facts", ("glass", "metal"), 8, "run-1")
    registry.promote(store, NAME, 1, by="test", why="first", over=None)
    for answer in (
        upload(client, "Glass", picture()),
        correct(client, keep(client, picture()), "GLASS"),
        send_zip(client, zipped(**{"gLass/a.png": picture()})),
    ):
        assert (answer.status_code, answer.json["code"]) == (400, "invalid_label")
        assert "did you mean" in answer.json["detail"]
    assert upload(client, "Wool", picture()).status_code == 200
    assert upload(client, "wool", picture()).json["code"] == "invalid_label"
    assert upload(client, "glass", picture()).status_code == 200


def test_forms_that_say_too_little_or_too_much_are_refused(client: Any) -> None:
    png = picture()
    kind = "multipart/form-data"
    nothing = client.post("/v1/images", data={"label": "glass"}, content_type=kind, headers=BEARER)
    unlabelled = upload(client, None, png)
    labelled_zip = client.post(
        "/v1/images",
        data={"label": "glass", "files": (io.BytesIO(zipped(**{"a/b.png": png})), "z.zip")},
        headers=BEARER,
    )
    for answer in (nothing, unlabelled, labelled_zip):
        assert (answer.status_code, answer.json["code"]) == (400, "request"), answer.text
    other = client.post("/v1/images", data=png, content_type="image/png", headers=BEARER)
    assert (other.status_code, other.json["code"]) == (415, "media_type")


def test_writing_needs_the_token(client: Any, store: Store) -> None:
    for answer in (
        client.post("/v1/feedback", json={"id": "a", "label": "b"}),
        client.post("/v1/images", data={"label": "a", "files": (io.BytesIO(picture()), "a")}),
    ):
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
    assert not keys(store, "uploads/")


def test_many_who_send_the_same_image_at_once_store_it_once(settings: Settings, store: Store) -> None:
    clients = [documented_app(settings).test_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: upload(each, "glass", picture()).json, clients * 2))
    assert sum(each["stored"] for each in answers) == 1
    assert sum(each["duplicates"] for each in answers) == 7
    assert len(keys(store, "uploads/")) == 1


def test_nothing_is_acknowledged_while_the_store_is_gone(settings: Settings, client: Any) -> None:
    prediction = keep(client, picture())
    changes = {"store_url": f"http://127.0.0.1:{free_port()}", "gateway_patience_s": 1}
    gone = documented_app(settings.model_copy(update=changes)).test_client()
    for answer in (upload(gone, "glass", picture()), correct(gone, prediction, "glass")):
        assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.text


def test_what_is_kept_for_corrections_goes_when_its_time_is_over_or_there_is_too_much(
    client: Any, store: Store, tmp_path: Path
) -> None:
    hour = int(time.time() // 3600)
    ids = [f"{hour - age:06x}{age:032x}" for age in range(10)]
    for each in ids:
        store.put(key_of(each), b"x" * 1000)
    assert Keeper(store, Spool(tmp_path), 7, 10**6).sweep() == 2
    assert keys(store, "predictions/") == [key_of(each) for each in reversed(ids[:8])]
    assert Keeper(store, Spool(tmp_path), 7, 3000).sweep() == 5
    assert keys(store, "predictions/") == [key_of(each) for each in reversed(ids[:3])]
    gone = correct(client, ids[9], "glass")
    assert gone.status_code == 404
    assert "its time is over" in gone.json["detail"]


def test_images_of_a_moment_share_an_object_and_are_told_apart(client: Any, store: Store) -> None:
    pictures = [picture(n) for n in range(6)]
    ids = [keep(client, each) for each in pictures]
    assert [keeper_of(client).read(each) for each in ids] == pictures  # from this machine, as yet
    wait_until(lambda: len(keys(store, "predictions/")) == len({each[:-4] for each in ids}) < len(ids))
    wait_until(lambda: not waiting(client))
    assert [keeper_of(client).read(each) for each in ids] == pictures
    assert correct(client, f"{ids[0][:-4]}0009", "glass").status_code == 404
    assert correct(client, ids[3], "glass").status_code == 200


def waiting(client: Any) -> list[Path]:
    """What waits for the store."""
    folder = gateway_folder(client.application.extensions["binocular"].settings) / "kept"
    return sorted(folder.iterdir())


def test_images_that_a_worker_left_when_it_died_are_handed_over_by_another(client: Any, store: Store) -> None:
    folder = gateway_folder(client.application.extensions["binocular"].settings) / "kept"
    hour = int(time.time() // 3600)
    names = [f"{hour - age:06x}{age:032x}" for age in (1, 10_000, 2)]
    spool = Spool(folder)
    for n, name in enumerate(names):
        draft = spool.begin(name)
        assert draft.add(picture(n)) == 0
        draft.let_go()
    held = spool.begin(f"{hour:06x}{3:032x}")
    held.add(picture(3))
    with (folder / names[0]).open("ab") as file:
        file.write((1000).to_bytes(4) + b"it died while it wrote this")

    prediction = keep(client, picture(4))

    wait_until(lambda: not (set(names) & {path.name for path in waiting(client)}))
    assert keeper_of(client).read(f"{names[0]}0000") == picture(0)
    assert keeper_of(client).read(f"{names[2]}0000") == picture(2)
    assert names[1] not in " ".join(keys(store, "predictions/"))  # its time was over long ago
    assert held.path.exists()  # its worker lives
    assert keeper_of(client).read(f"{held.path.name}0000") == picture(3)
    assert keeper_of(client).read(prediction) == picture(4)
    held.let_go()


def test_what_another_machines_gateway_is_about_to_hand_over_is_waited_for(store: Store, tmp_path: Path) -> None:
    here, there = (Keeper(store, Spool(tmp_path / name), 1, 10**6) for name in ("here", "there"))
    (kept,) = there.keep([picture()])
    assert here.read(kept.prediction) == picture()


def test_where_the_store_is_this_machines_own_images_stay_on_its_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Settings(store_url=f"http://127.0.0.1:{free_port()}", store_timeout_s=0.2, store_deadline_s=0.2)
    here, other = (Keeper(connect(gone), Spool(tmp_path / "kept"), 1, 10**6, stays=True) for _ in range(2))
    pictures = [picture(n) for n in range(6)]
    kept = [*here.keep(pictures[:2]), *other.keep(pictures[2:4])]
    assert len(list((tmp_path / "kept").iterdir())) == 2
    monkeypatch.setattr(keeping, "STAYING_S", 0)
    kept += here.keep(pictures[4:5])
    monkeypatch.setattr(keeping, "STAYING_S", 600)
    monkeypatch.setattr(keeping, "STAYING_FULL_BYTES", 1)
    kept += [*here.keep(pictures[5:]), *here.keep(pictures[:1])]
    assert len(list((tmp_path / "kept").iterdir())) == 4
    assert all(each.is_kept for each in kept)
    assert [other.read(each.prediction) for each in kept] == [*pictures, pictures[0]]
    with pytest.raises(BinocularError):
        other.read(f"{kept[0].prediction[:-4]}0002")


def test_what_stays_on_this_machine_goes_when_its_time_is_over_or_there_is_too_much(
    store: Store, tmp_path: Path
) -> None:
    hour, spool = int(time.time() // 3600), Spool(tmp_path)
    for age in range(10):
        draft = spool.begin(f"{hour - age:06x}{age:032x}")
        draft.add(b"x" * 996)
        draft.let_go()
    held = spool.begin(f"{hour - 100:06x}{0:032x}")
    store.put(key_of(f"{hour - 9:06x}{0:032x}"), b"of an earlier release")
    assert Keeper(store, spool, 7, 10**6, stays=True).sweep() == 3
    assert len(list(tmp_path.iterdir())) == 9
    assert Keeper(store, spool, 7, 3000, stays=True).sweep() == 5
    left = [f"{hour - age:06x}" for age in (0, 1, 2, 100)]
    assert sorted(path.name[:6] for path in tmp_path.iterdir()) == sorted(left)
    held.let_go()


def test_what_stayed_on_this_machine_is_handed_over_to_a_store_that_is_named_later(
    store: Store, tmp_path: Path
) -> None:
    at_home = Keeper(store, Spool(tmp_path), 1, 10**6, stays=True)
    (kept,) = at_home.keep([picture(1)])
    at_home._close()
    later = Keeper(store, Spool(tmp_path), 1, 10**6)
    later.keep([picture(2)])
    wait_until(lambda: key_of(kept.prediction[:-4]) in keys(store, "predictions/"))
    assert later.read(kept.prediction) == picture(1)


@pytest.mark.parametrize("url", ["", "http://store.example:9000"])
def test_images_stay_where_no_store_is_named(tmp_path: Path, url: str) -> None:
    assert Services(Settings(home=tmp_path, store_url=url)).keeper._stays is not bool(url)


def test_where_there_is_no_room_nothing_is_kept_and_that_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    with SmallDisk(tmp_path / "disk", "1m") as disk:
        keeper = Keeper(store, Spool(disk.seen / "kept"), 1, 10**6)
        large = [os.urandom(300_000) for _ in range(5)]
        kept = keeper.keep(large)
        assert [each.is_kept for each in kept] == [True, True, True, False, False]
        assert [keeper.read(each.prediction) for each in kept[:3]] == large[:3]
    monkeypatch.setattr(keeping, "MOST_WAITING", -1)
    (kept_not,) = Keeper(store, Spool(tmp_path / "kept"), 1, 10**6).keep([picture()])
    assert not kept_not.is_kept


def test_images_that_an_earlier_release_kept_can_be_corrected(client: Any, store: Store) -> None:
    prediction = f"{int(time.time() // 3600):06x}{7:032x}"
    store.put(key_of(prediction), picture())
    assert correct(client, f"{prediction}0000", "glass").status_code == 404
    assert correct(client, prediction, "glass").status_code == 200


def test_where_nothing_is_kept_nothing_is_written(store: Store, tmp_path: Path) -> None:
    (kept,) = Keeper(store, Spool(tmp_path / "kept"), 0, 1).keep([picture()])
    assert not kept.is_kept
    assert not keys(store, "predictions/")
    assert not (tmp_path / "kept").exists()
