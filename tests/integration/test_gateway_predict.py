"""Predictions through the gateway: a real model server, a real store, and what strangers send."""

import base64
import io
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from binocular.imaging import decode
from binocular.settings import Settings
from binocular.store import Store, connect
from binocular.wire import services
from gateway import keeper, predictions
from tests.gateway_server import BEARER, NAME, ROOT, documented_app, picture, publish_facts, settings_for
from tests.grpc_server import GrpcServer
from tests.modelfolders import SIDE, make_classifier, publish
from tests.modelserver import ModelServer
from tests.servers import free_port, wait_until

FIRST, SECOND, LARGER = ("glass", "metal", "paper"), ("paper", "plastic", "glass"), ("a", "b", "c")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three versions: each finds another class of other classes, and the third takes larger images."""
    folder = tmp_path_factory.mktemp("made")
    return [make_classifier(folder / str(n), n, side=side) for n, side in enumerate((SIDE, SIDE, 2 * SIDE))]


@pytest.fixture(scope="module")
def settings(embedded_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A bucket that holds the facts about the three versions."""
    folder = tmp_path_factory.mktemp("gateway")
    settings = settings_for(folder, embedded_store)
    store = connect(settings)
    for n, (classes, side) in enumerate([(FIRST, SIDE), (SECOND, SIDE), (LARGER, 2 * SIDE)], 1):
        assert publish_facts(store, folder / str(n), classes, side, f"run-{n}") == n
    return settings


def serve(folder: Path, *versions: tuple[int, Path]) -> ModelServer:
    """A model server with some versions, which follows its folder."""
    for number, path in versions:
        publish(path, folder / NAME, number)
    return ModelServer(folder, f"--model_name={NAME}", f"--model_base_path={folder / NAME}").ready()


@pytest.fixture(scope="module")
def client(settings: Settings, made: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A gateway in front of version 1, which no test changes."""
    with serve(tmp_path_factory.mktemp("served"), (1, made[0])) as server:
        yield gateway(settings, server)


def gateway(settings: Settings, server: ModelServer, **changes: Any) -> Any:
    """A gateway in front of a model server."""
    address = {"model_address": f"127.0.0.1:{server.port}"}
    return documented_app(settings.model_copy(update=address | changes)).test_client()


def address_of(client: Any) -> str:
    """The model server that a gateway asks."""
    return str(client.application.extensions["binocular"].settings.model_address)


def beside(client: Any, settings: Settings, **changes: Any) -> Any:
    """Another gateway in front of the same model server."""
    return documented_app(
        settings.model_copy(update={"model_address": address_of(client), **changes})
    ).test_client()


def ask(client: Any, data: bytes = b"", query: str = "") -> Any:
    return client.post(f"/v1/predict{query}", data=data or picture(), content_type="application/octet-stream")


def make_corner_watcher(folder: Path) -> Path:
    """A version that finds its first class where the upper left quarter is bright, and looks at nothing else."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        images = tf.compat.v1.placeholder(tf.uint8, [None, SIDE, SIDE, 3], "images")
        bright = tf.reduce_mean(tf.cast(images[:, : SIDE // 2, : SIDE // 2], tf.float32) / 255.0, [1, 2, 3])
        probabilities = tf.nn.softmax(bright[:, None] * tf.constant([[8.0, 0.0, 0.0]]))
        v1 = tf.compat.v1.saved_model
        signature = v1.predict_signature_def({"images": images}, {"probabilities": probabilities})
        builder = v1.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    (folder / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    return folder


def test_an_answer_is_explained_by_what_the_model_looked_at(settings: Settings, tmp_path: Path) -> None:
    pixels = np.full((60, 80, 3), 90, np.uint8)
    pixels[:30, :40] = 250
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    with serve(tmp_path, (1, make_corner_watcher(tmp_path / "made"))) as server:
        client = gateway(settings, server)
        plain, answer = ask(client, out.getvalue()).json, ask(client, out.getvalue(), "?explain=true&top_k=1").json
        assert "explanation" not in plain
        assert "explain" not in plain["latency_ms"]
        told = answer["explanation"]
        assert told["fall"] > 0
        assert answer["latency_ms"]["total"] >= answer["latency_ms"]["explain"] > 0
        map_ = Image.open(io.BytesIO(base64.b64decode(told["png"])))
        assert map_.size == (told["width"], told["height"]) == (SIDE, SIDE)
        opacity = np.asarray(map_)[:, :, 3].astype(float)
        half = SIDE // 2
        assert opacity[:half, :half].mean() > 10 * opacity[half:, half:].mean()
        # Many at once wait for each other, and each is answered or refused.
        with ThreadPoolExecutor(8) as pool:
            statuses = {
                each.status_code for each in pool.map(lambda _: ask(client, query="?explain=true"), range(8))
            }
        assert statuses <= {200, 503}
        assert 200 in statuses


def test_the_answer_is_what_tensorflow_says_of_the_pixels_of_training(client: Any, made: list[Path]) -> None:
    data = picture(3, "JPEG", (300, 200))
    answer = ask(client, data)
    assert answer.status_code == 200
    loaded = tf.saved_model.load(str(made[0]))
    expected = loaded.signatures["serving_default"](tf.constant(decode(data, SIDE, SIDE)[None]))
    got = [answer.json["probabilities"][label] for label in FIRST]
    np.testing.assert_allclose(got, expected["probabilities"].numpy()[0], atol=1e-4)
    assert answer.json["label"] == answer.json["best_guess"] == "glass"
    assert answer.json["confidence"] == max(got)
    assert list(answer.json["probabilities"].values()) == sorted(got, reverse=True)
    assert answer.json["model"] == {"name": NAME, "version": 1}
    assert set(answer.json["latency_ms"]) == {"decode", "predict", "total"}
    assert answer.json["kept"] is True


def test_one_image_may_come_in_three_ways(client: Any) -> None:
    data = picture()
    encoded = base64.b64encode(data).decode()
    answers = [
        ask(client, data),
        client.post("/v1/predict", data=data, content_type="image/png"),
        client.post("/v1/predict", data={"file": (io.BytesIO(data), "x.png")}),
        client.post("/v1/predict", json={"image": encoded}),
        client.post("/v1/predict", json={"image": f"data:image/png;base64,{encoded}"}),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({str(answer.json["probabilities"]) for answer in answers}) == 1


def test_only_as_many_classes_as_wanted_are_listed(client: Any) -> None:
    assert list(ask(client, query="?top_k=1").json["probabilities"]) == ["glass"]
    assert len(ask(client, query="?top_k=99").json["probabilities"]) == 3


def test_below_the_asked_confidence_the_answer_is_unknown(settings: Settings, client: Any) -> None:
    doubtful = beside(client, settings, gateway_confidence=1.0)
    answer = ask(doubtful).json
    assert (answer["label"], answer["best_guess"]) == ("unknown", "glass")


def test_a_version_says_itself_from_where_on_it_is_sure(settings: Settings, client: Any) -> None:
    own = beside(client, settings, gateway_confidence=None)
    confidence = ask(own).json["confidence"]
    versions = own.application.extensions["binocular"].versions
    for sure_from, label in (
        (confidence / 2, "glass"),
        ((confidence + 1) / 2, "unknown"),
        (None, "glass" if confidence >= predictions.SURE_FROM else "unknown"),
    ):
        versions._known[1] = versions.of(1).model_copy(update={"sure_from": sure_from})
        assert ask(own).json["label"] == label


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("JPEG", "CMYK"),
        ("JPEG", "L"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("PNG", "1"),
        ("WEBP", "RGB"),
        ("BMP", "RGB"),
        ("GIF", "P"),
        ("TIFF", "CMYK"),
    ],
)
def test_every_format_and_mode_is_answered(client: Any, form: str, mode: str) -> None:
    assert ask(client, picture(1, form, mode=mode)).status_code == 200


def test_sixteen_bits_and_orientation_are_understood(client: Any) -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((9, 7), 40_000, np.uint16)).save(out, "PNG")
    assert ask(client, out.getvalue()).status_code == 200
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(picture())).save(turned, "JPEG", exif=exif)
    assert ask(client, turned.getvalue()).status_code == 200


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 100,000 x 100,000 pixels."""
    data = bytearray(picture())
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


JSON = "application/json"
BAD: list[tuple[str, bytes, str, int, str]] = [
    ("nothing", b"", "image/png", 422, "image"),
    ("a text", b"hello", "image/png", 422, "image"),
    ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 422, "image"),
    ("cut off", picture()[:200], "image/png", 422, "image"),
    ("only a head", b"\xff\xd8\xff\xe0", "image/jpeg", 422, "image"),
    ("a bomb", bomb(), "image/png", 413, "image_too_large"),
    ("no type", b"x", "", 415, "media_type"),
    ("another type", b"x", "text/html", 415, "media_type"),
    ("a long type", b"x", "a" * 3000, 415, "media_type"),
    ("no json", b"{", JSON, 400, "request"),
    ("a list", b"[]", JSON, 400, "request"),
    ("nothing in it", b"{}", JSON, 400, "request"),
    ("both", b'{"url": "http://a.example", "image": "aaaa"}', JSON, 400, "request"),
    ("something else", b'{"picture": "aaaa"}', JSON, 400, "request"),
    ("no base64", b'{"image": "%%%"}', JSON, 400, "request"),
    ("a number", b'{"image": 7}', JSON, 400, "request"),
    ("nested", b"[" * 200_000, JSON, 400, "request"),
    ("nested in it", b'{"image":' * 100_000, JSON, 400, "request"),
    ("not unicode", b'{"image": "\xff\xfe"}', JSON, 400, "request"),
    ("half a surrogate", b'{"image": "\\ud800"}', JSON, 400, "request"),
    ("base64 of a text", b'{"image": "aGVsbG8="}', JSON, 422, "image"),
    ("a url", b'{"url": "http://127.0.0.1/x"}', JSON, 400, "address_refused"),
    ("an empty form", b"--x--\r\n", "multipart/form-data; boundary=x", 400, "request"),
    ("a broken form", b"--x\r\nContent-Dis", "multipart/form-data; boundary=x", 400, "request"),
    ("no boundary", b"abc", "multipart/form-data", 400, "request"),
    (
        "another field",
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nb\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
        400,
        "request",
    ),
]


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"), [each[1:] for each in BAD], ids=[each[0] for each in BAD]
)
def test_what_is_no_image_is_refused_as_a_problem(
    client: Any, data: bytes, kind: str, status: int, code: str
) -> None:
    answer = client.post("/v1/predict", data=data, content_type=kind)
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "query", ["?top_k=0", "?top_k=-1", "?top_k=many", "?top_k=1e3", "?explain=maybe", "?nothing=1"]
)
def test_an_option_that_is_none_is_refused(client: Any, query: str) -> None:
    answer = ask(client, query=query)
    assert (answer.status_code, answer.json["code"]) == (400, "request")
    assert query[1:].partition("=")[0] in answer.json["detail"]


def test_a_request_that_is_too_large_is_refused_with_and_without_its_length(
    settings: Settings, client: Any
) -> None:
    small = beside(client, settings, gateway_body_mb=1)
    data = b"x" * 1_100_000
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--x--\r\n"
    for sent in (
        small.post("/v1/predict", data=data, content_type="image/png"),
        small.post(
            "/v1/predict",
            input_stream=io.BytesIO(data),
            content_type="image/png",
            environ_overrides={"wsgi.input_terminated": True},
        ),
        small.post("/v1/predict", data=form, content_type="multipart/form-data; boundary=x"),
    ):
        assert (sent.status_code, sent.json["code"]) == (413, "too_large")


def test_a_request_that_breaks_off_is_no_image(client: Any) -> None:
    whole = picture()
    answer = client.post(
        "/v1/predict",
        input_stream=io.BytesIO(whole[:100]),
        content_type="image/png",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(whole))},
    )
    assert (answer.status_code, answer.json["code"]) == (400, "request")
    assert f"100 of {len(whole)} bytes" in answer.json["detail"]


def files(*datas: bytes) -> dict[str, Any]:
    return {"files": [(io.BytesIO(data), f"{n}.png") for n, data in enumerate(datas)]}


def test_a_batch_answers_in_order_and_one_bad_image_hinders_no_other(client: Any) -> None:
    images = [picture(n) for n in range(40)]
    images[7], images[39] = b"no image", bomb()
    answer = client.post("/v1/predict/batch", data=files(*images))
    assert answer.status_code == 200
    items = answer.json["predictions"]
    assert [item["file"] for item in items] == [f"{n}.png" for n in range(40)]
    assert items[7]["error"]["code"] == "image"
    assert items[39]["error"]["code"] == "image_too_large"
    for n in (0, 6, 8, 15, 16, 38):
        assert items[n]["prediction"]["probabilities"] == pytest.approx(
            ask(client, images[n]).json["probabilities"], abs=1e-5
        )


def test_a_batch_of_nothing_but_bad_images_is_answered_too(client: Any) -> None:
    items = client.post("/v1/predict/batch", data=files(b"", b"x")).json["predictions"]
    assert [item["error"]["code"] for item in items] == ["image", "image"]


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_batch_may_be_a_zip(client: Any) -> None:
    data = zipped(**{"b.png": picture(1), "a/c.png": b"none", "notes.txt": b"-", "__MACOSX/._b.png": b"-"})
    sent = [
        client.post("/v1/predict/batch", data=data, content_type="application/zip"),
        client.post("/v1/predict/batch", data=files(data)),
    ]
    for answer in sent:
        items = answer.json["predictions"]
        assert [(item["file"], "error" in item) for item in items] == [("a/c.png", True), ("b.png", False)]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (zipped(**{"../a.png": picture()}), 400),
        (zipped(**{"/a.png": picture()}), 400),
        (zipped(), 413),
        (zipped(**{f"{n}.png": b"x" for n in range(65)}), 413),
        (zipped(a=picture())[:-30], 400),
        (b"PK\x03\x04" + b"\0" * 500, 400),
        (b"", 400),
    ],
)
def test_a_zip_that_is_none_or_means_harm_is_refused(client: Any, data: bytes, status: int) -> None:
    answer = client.post("/v1/predict/batch", data=data, content_type="application/zip")
    assert answer.status_code == status, answer.text
    assert answer.json["code"] in {"archive_refused", "too_large"}


def test_more_images_than_are_taken_are_refused(client: Any) -> None:
    answer = client.post("/v1/predict/batch", data=files(*[b"x"] * 65))
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_predictions_may_need_the_token(settings: Settings, client: Any) -> None:
    closed = beside(client, settings, gateway_open_predict=False)
    refused = ask(closed)
    assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")
    assert "Bearer" in refused.headers["WWW-Authenticate"]
    given = closed.post("/v1/predict", data=picture(), content_type="image/png", headers=BEARER)
    assert given.status_code == 200


def test_labels_are_those_of_the_version_that_answers_while_versions_change(
    settings: Settings, made: list[Path], tmp_path: Path
) -> None:
    with serve(tmp_path, (1, made[0])) as server:
        client = gateway(settings, server)
        assert ask(client).json["label"] == "glass"
        seen = set()
        for number, classes in ((2, SECOND), (3, LARGER)):
            publish(made[number - 1], tmp_path / NAME, number)

            def arrived(number: int = number, classes: tuple[str, ...] = classes) -> bool:
                answer = ask(client)
                assert answer.status_code == 200, answer.text
                version = answer.json["model"]["version"]
                seen.add((version, answer.json["label"]))
                return version == number and set(answer.json["probabilities"]) == set(classes)

            wait_until(arrived)
        assert seen == {(1, "glass"), (2, "plastic"), (3, "c")}


def test_a_version_that_is_not_in_the_store_is_not_guessed_at(
    settings: Settings, made: list[Path], tmp_path: Path
) -> None:
    with serve(tmp_path, (9, made[0])) as server:
        answer = ask(gateway(settings, server))
    assert (answer.status_code, answer.json["code"]) == (502, "model_answer")


def test_without_a_model_server_it_says_so_and_comes_back_by_itself(
    settings: Settings, made: list[Path], tmp_path: Path
) -> None:
    server = serve(tmp_path, (1, made[0]))
    client = gateway(settings, server)
    assert ask(client).status_code == 200
    assert client.get("/readyz").status_code == 200
    port = server.port
    server.stop()
    for answer in (ask(client), client.get("/readyz")):
        assert (answer.status_code, answer.json["code"]) == (503, "model_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert str(port) not in answer.text
    assert client.get("/healthz").status_code == 200
    with ModelServer(tmp_path, f"--model_name={NAME}", f"--model_base_path={tmp_path / NAME}", port=port):
        wait_until(lambda: ask(client).status_code == 200, 10)


def test_a_model_that_does_not_answer_is_given_up_in_time(settings: Settings) -> None:
    over = threading.Event()

    def wait(_: bytes, __: object) -> bytes:
        over.wait(60)
        return b""

    answers = {services.path("PredictionService", each): wait for each in services.methods("PredictionService")}
    with GrpcServer(answers, threads=1) as slow:
        changes = {"model_address": slow.address, "gateway_deadline_s": 1}
        answer = ask(documented_app(settings.model_copy(update=changes)).test_client())
        over.set()
    assert (answer.status_code, answer.json["code"]) == (503, "model_timeout")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_store_that_is_gone_stops_no_prediction_and_gets_its_images_when_it_is_back(
    settings: Settings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "PAUSE_S", 0.5)
    lonely = beside(client, settings, gateway_patience_s=1)
    assert ask(lonely).json["kept"] is True
    here = lonely.application.extensions["binocular"]
    store = here.store
    gone = settings.model_copy(
        update={"store_url": f"http://127.0.0.1:{free_port()}", "store_timeout_s": 1, "store_deadline_s": 1}
    )
    here.keeper._store = connect(gone)
    here.store = connect(gone)
    answer = ask(lonely)
    assert (answer.status_code, answer.json["kept"]) == (200, True)
    ready = lonely.get("/readyz")
    assert (ready.status_code, ready.json["code"]) == (503, "store_unavailable")
    assert gone.store_url not in ready.text

    here.keeper._store = store
    key = keeper.key_of(answer.json["id"])
    wait_until(lambda: bool(ask(lonely)) and any(entry.key == key for entry in store.entries("predictions/")))


def test_no_tensorflow_and_no_pipelines_client_is_loaded_to_predict(settings: Settings, client: Any) -> None:
    environment = {
        "BINOCULAR_STORE_URL": settings.store_url,
        "BINOCULAR_STORE_ACCESS_KEY": settings.store_access_key.get_secret_value(),
        "BINOCULAR_STORE_SECRET_KEY": settings.store_secret_key.get_secret_value(),
        "BINOCULAR_STORE_BUCKET": settings.store_bucket,
        "BINOCULAR_MODEL_NAME": NAME,
        "BINOCULAR_MODEL_ADDRESS": address_of(client),
        "BINOCULAR_HOME": str(settings.home),
        "PYTHONPATH": str(ROOT),
    }
    script = (
        "import sys; from gateway import create_app; from binocular.settings import load;"
        "client = create_app(load()).test_client();"
        f"answer = client.post('/v1/predict', data={picture()!r}, content_type='image/png');"
        "assert answer.status_code == 200, answer.text;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert not set(result.stdout.split()) & {"tensorflow", "keras", "kfp", "serving", "components", "pipeline"}
