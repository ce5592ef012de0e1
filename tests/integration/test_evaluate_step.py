"""The step on real files: a Keras candidate, a SavedModel champion, a snapshot that ingest froze."""

import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from binocular import snapshot as snapshots
from binocular.bundle import FACTS as BUNDLE_FACTS
from binocular.bundle import OUTPUT, SAVED_MODEL, SIGNATURE, Bundle
from binocular.candidate import FACTS, FEATURES, IMAGES, MODEL, PROBABILITIES, Candidate
from binocular.datasets import Reference
from binocular.errors import ConflictError, IntegrityError, NotFoundError
from binocular.imaging import decode
from binocular.quarantine import QUARANTINE, Quarantine, QuarantinedRow
from binocular.snapshot import Snapshot
from binocular.verdict import EVALUATION, Verdict
from components.evaluate.__main__ import main
from components.evaluate.evaluation import PREDICTIONS, Evaluation, Question, evaluate, write
from components.evaluate.evidence import Evidence
from components.evaluate.gate import Gate
from components.evaluate.pictures import HEAT
from components.ingest.sources import Found
from tests.unit.components.validate.conftest import found, freeze, png

CLASSES = ("blue", "green", "red")
OTHER_DATA = "0" * 32
# Keras asks numpy in a way that numpy will give up; both are pinned.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def photo(label: str, number: int) -> bytes:
    """A blob of the class's colour in a corner of noise; the last ones of each class hardly have one."""
    rng = np.random.default_rng([number, *label.encode()])
    pixels = rng.integers(60, 150, (40, 48, 3))
    y, x = rng.integers(0, 24, 2)
    strength = 12 if number >= 26 else 90
    pixels[y : y + 16, x : x + 16, 2 - CLASSES.index(label)] += strength
    return png(Image.fromarray(pixels.astype(np.uint8)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Snapshot]:
    """A snapshot with twelve test images of each class."""

    def files() -> Iterator[Found]:
        for label in CLASSES:
            for number in range(30):
                split = snapshots.SPLITS[0 if number < 16 else 1 if number < 18 else 2]
                yield found(f"{label}/{number}.png", label, photo(label, number), split)

    folder = tmp_path_factory.mktemp("data") / "snapshot"
    return folder, freeze(files(), folder).snapshot


def trained(
    data: tuple[Path, Snapshot], size: int, epochs: int, features: str = FEATURES, *, apart: bool = False
) -> Any:
    """A small network that has looked at the training images."""
    import keras  # noqa: PLC0415 - seconds that no other test should wait for
    from keras import layers  # noqa: PLC0415

    folder, snapshot = data
    rows = [row for row in snapshot.rows if row.split == "train"]
    looked = [
        (decode(image, size, size), CLASSES.index(row.label)) for row, image in snapshots.images(folder, rows)
    ]
    keras.utils.set_random_seed(1)
    images = keras.Input((size, size, 3), dtype="uint8", name=IMAGES)
    x = layers.Rescaling(1 / 127.5, -1)(images)
    x = layers.Conv2D(8, 5, strides=2)(x)
    x = layers.ReLU(name=features)(x)
    x = layers.GlobalAveragePooling2D()(x)
    if apart:  # the softmax as a layer of its own
        answers = layers.Softmax(name=PROBABILITIES)(layers.Dense(3, name="logits")(x))
    else:
        answers = layers.Dense(3, activation="softmax", name=PROBABILITIES)(x)
    model = keras.Model(images, answers)
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    pixels, labels = np.stack([each for each, _ in looked]), np.array([each for _, each in looked])
    model.fit(pixels, labels, batch_size=16, epochs=epochs, verbose=0)
    return model


def put_candidate(model: Any, folder: Path, snapshot: str) -> Path:
    folder.mkdir(parents=True)
    model.save(folder / MODEL)
    size = model.input_shape[1]
    Candidate(
        classes=CLASSES,
        height=size,
        width=size,
        snapshot=snapshot,
        images={"train": 48},
        architecture="small_cnn",
        weights="none",
        recipe={},
        chosen=(),
        history=(),
        validation={},
        seconds={},
        energy=None,
        embedded={},
    ).write(folder / FACTS)
    return folder


def put_champion(
    answer: Any, size: int, folder: Path, *, batch: int | None = None, classes: Any = CLASSES, shaped: bool = True
) -> Path:
    """A bundle whose SavedModel answers with a function of the images."""
    import tensorflow as tf  # noqa: PLC0415

    shape = (batch, size, size, 3) if shaped else None

    class Served(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.held = answer  # with its variables, if it has some

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, IMAGES)])  # type: ignore[untyped-decorator]
        def serve(self, images: Any) -> dict[str, Any]:
            return {OUTPUT: answer(images)}

    served = Served()
    tf.saved_model.save(served, str(folder), signatures={SIGNATURE: served.serve.get_concrete_function()})
    Bundle(
        classes=classes,
        height=size,
        width=size,
        name="colours",
        run="r",
        created="2026-01-01T00:00:00Z",
        snapshot=Reference(digest=OTHER_DATA, prefix="snapshots/x"),
        counts={},
        architecture="small_cnn",
        weights="none",
        recipe={},
        chosen=(),
        metrics={},
        champion=None,
        energy=None,
    ).write(folder / BUNDLE_FACTS)
    return folder


@pytest.fixture(scope="module")
def candidate(data: tuple[Path, Snapshot], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidate") / "candidate"
    return put_candidate(trained(data, 32, 25), folder, data[1].digest)


@pytest.fixture(scope="module")
def champion(data: tuple[Path, Snapshot], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A champion that has learnt less, at another input size."""
    return put_champion(trained(data, 24, 2), 24, tmp_path_factory.mktemp("models") / "3")


@pytest.fixture(scope="module")
def evaluation(data: tuple[Path, Snapshot], candidate: Path, champion: Path) -> Evaluation:
    return evaluate(Question(data[0], candidate, champion, 3))


def test_a_candidate_is_compared_with_a_champion_of_another_input_size(
    evaluation: Evaluation, data: tuple[Path, Snapshot]
) -> None:
    evidence = evaluation.evidence
    assert (evaluation.verdict.decision, evaluation.verdict.champion) == ("promote", 3)
    assert evaluation.verdict.candidate_metrics["accuracy"] > evaluation.verdict.champion_metrics["accuracy"]
    assert (evidence.candidate.height, evidence.champion.height if evidence.champion else 0) == (32, 24)
    assert evidence.tested == {"blue": 12, "green": 12, "red": 12}
    assert evidence.candidate.latency is not None
    assert evidence.candidate.latency.p95 >= evidence.candidate.latency.p50 > 0
    assert evidence.snapshot == data[1].digest


def test_both_answer_as_they_do_elsewhere(
    evaluation: Evaluation, data: tuple[Path, Snapshot], candidate: Path, champion: Path
) -> None:
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    looked = {row.sha256: image for row, image in snapshots.images(data[0], evaluation.rows)}

    def pixels(size: int) -> Any:
        return np.stack([decode(looked[row.sha256], size, size) for row in evaluation.rows])

    expected = keras.models.load_model(candidate / MODEL).predict(pixels(32), verbose=0)
    assert np.abs(expected - evaluation.candidate.probabilities).max() < 1e-5
    signature = tf.saved_model.load(str(champion)).signatures[SIGNATURE]
    served = signature(images=tf.constant(pixels(24)))[OUTPUT].numpy()
    assert evaluation.champion is not None
    assert np.abs(served - evaluation.champion.probabilities).max() < 1e-5


def test_four_files_are_written_and_can_be_read(evaluation: Evaluation, tmp_path: Path) -> None:
    write(evaluation, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "verdict.json",
        "evaluation.json",
        "predictions.jsonl.gz",
        "report.html",
    }
    assert Verdict.read(tmp_path) == evaluation.verdict
    assert Evidence.load(tmp_path / EVALUATION) == evaluation.evidence
    with gzip.open(tmp_path / PREDICTIONS, "rt") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) == 36
    assert lines == sorted(lines, key=lambda line: line["sha256"])
    assert set(lines[0]) == {"sha256", "label", "predicted", "probabilities", "champion"}
    assert sum(line["label"] == line["predicted"] for line in lines) / 36 == pytest.approx(
        evaluation.verdict.candidate_metrics["accuracy"]
    )
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_every_mistake_has_a_picture_and_a_heatmap(evaluation: Evaluation) -> None:
    assert evaluation.evidence.gallery.worst
    assert evaluation.pictures.note is None
    for shown in evaluation.evidence.gallery.worst:
        assert evaluation.pictures.urls[shown.sha256] != evaluation.pictures.urls[HEAT + shown.sha256]


@pytest.mark.parametrize("apart", [False, True], ids=["softmax inside the last layer", "softmax as a layer"])
def test_a_heatmap_is_hot_where_the_blob_is(
    data: tuple[Path, Snapshot], candidate: Path, tmp_path: Path, *, apart: bool
) -> None:
    from components.evaluate.heatmap import Heatmaps  # noqa: PLC0415
    from components.evaluate.models import load_candidate  # noqa: PLC0415

    if apart:
        candidate = put_candidate(trained(data, 32, 25, apart=True), tmp_path / "apart", data[1].digest)
    model = load_candidate(candidate)
    heatmaps, note = Heatmaps.of(model)
    assert heatmaps is not None, note
    hits = 0
    for place, label in enumerate(CLASSES):
        pixels = np.full((1, 32, 32, 3), 105, np.uint8)
        pixels[0, 4:14, 18:28, 2 - place] = 215
        (heat,) = heatmaps.about(pixels, [place])
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        hits += 2 <= y * 2 <= 16 and 14 <= x * 2 <= 30
        assert heat.max() == pytest.approx(1), label
    assert hits == 3


def test_the_same_question_has_the_same_answer(
    evaluation: Evaluation, data: tuple[Path, Snapshot], candidate: Path, champion: Path
) -> None:
    again = evaluate(Question(data[0], candidate, champion, 3)).evidence

    def timeless(evidence: Evidence) -> Evidence:
        assert evidence.champion is not None
        return evidence.model_copy(
            update={
                "candidate": replace(evidence.candidate, latency=None),
                "champion": replace(evidence.champion, latency=None),
            }
        )

    assert timeless(again) == timeless(evaluation.evidence)


def test_the_first_model_needs_no_champion(data: tuple[Path, Snapshot], candidate: Path) -> None:
    verdict = evaluate(Question(data[0], candidate)).verdict
    assert (verdict.decision, verdict.champion, verdict.champion_metrics) == ("promote", None, {})


def test_what_validation_leaves_out_is_left_out(
    data: tuple[Path, Snapshot], candidate: Path, tmp_path: Path
) -> None:
    folder, snapshot = data
    rows = [row for row in snapshot.rows if row.split == "test" and row.label == "red"]
    left_out = tuple(
        QuarantinedRow(sha256=row.sha256, label=row.label, split=row.split, reason="why", files=row.sources)
        for row in rows[:5]
    )
    Quarantine(snapshot=snapshot.digest, rows=left_out).write(tmp_path / QUARANTINE)
    evidence = evaluate(Question(folder, candidate, validation=tmp_path)).evidence
    assert (evidence.tested["red"], evidence.left_out) == (7, 5)

    Quarantine(snapshot=OTHER_DATA, rows=()).write(tmp_path / QUARANTINE)
    with pytest.raises(ConflictError, match="validate again"):
        evaluate(Question(folder, candidate, validation=tmp_path))


def test_an_empty_test_split_is_a_rejection_with_a_page(
    data: tuple[Path, Snapshot], candidate: Path, champion: Path, tmp_path: Path
) -> None:
    folder, snapshot = data
    rows = tuple(
        QuarantinedRow(sha256=row.sha256, label=row.label, split=row.split, reason="why", files=row.sources)
        for row in snapshot.rows
        if row.split == "test"
    )
    Quarantine(snapshot=snapshot.digest, rows=rows).write(tmp_path / QUARANTINE)
    evaluation = evaluate(Question(folder, candidate, champion, validation=tmp_path))
    write(evaluation, tmp_path / "out")
    assert [reason.rule for reason in evaluation.verdict.reasons if not reason.passed] == ["test-images"]
    assert Verdict.read(tmp_path / "out").decision == "reject"


def served_otherwise(how: str, folder: Path) -> Path:
    """A champion that loads and answers something else than probabilities of three classes."""
    import tensorflow as tf  # noqa: PLC0415

    def failing(images: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(images)[0], -1)]):
            return tf.fill((tf.shape(images)[0], 3), 1 / 3)

    if how == "takes one image at a time":
        return put_champion(lambda _: tf.fill((1, 3), 1 / 3), 24, folder, batch=1)
    if how == "takes anything":
        return put_champion(lambda _: tf.fill((1, 3), 1 / 3), 24, folder, shaped=False)
    answer = {
        "answers NaN": lambda images: tf.fill((tf.shape(images)[0], 3), np.nan),
        "answers too few classes": lambda images: tf.fill((tf.shape(images)[0], 2), 0.5),
        "fails": failing,
    }[how]
    return put_champion(answer, 24, folder)


def damaged(champion: Path, folder: Path, how: str) -> Path:
    """A copy of the champion with a file that is not as it should be."""
    shutil.copytree(champion, folder)
    model = folder / SAVED_MODEL
    if how == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif how == "garbage":
        model.write_bytes(b"\xff\x00 this is no protobuf" * 99)
    elif how == "truncated":
        model.write_bytes(model.read_bytes()[:-500])
    elif how == "without facts":
        (folder / BUNDLE_FACTS).unlink()
    elif how == "other size":
        facts = Bundle.read(folder)
        facts.model_copy(update={"height": 40, "width": 40}).write(folder / BUNDLE_FACTS)
    return folder


SERVED_OTHERWISE = (
    "answers NaN",
    "answers too few classes",
    "takes one image at a time",
    "takes anything",
    "fails",
)


@pytest.mark.parametrize(
    "how", ["empty", "garbage", "truncated", "without facts", "other size", *SERVED_OTHERWISE]
)
def test_a_champion_that_cannot_be_judged_is_no_reason_to_promote_or_to_crash(
    data: tuple[Path, Snapshot], candidate: Path, champion: Path, how: str, tmp_path: Path
) -> None:
    made = tmp_path / "7"
    folder = served_otherwise(how, made) if how in SERVED_OTHERWISE else damaged(champion, made, how)
    evaluation = evaluate(Question(data[0], candidate, folder, 7))
    write(evaluation, tmp_path / "out")

    assert (evaluation.verdict.decision, evaluation.verdict.champion) == ("reject", 7)
    assert [reason.rule for reason in evaluation.verdict.reasons if not reason.passed] == ["champion"]
    (text,) = [reason.text for reason in evaluation.verdict.reasons if reason.rule == "champion"]
    assert "Roll back to a version that works" in text
    assert "\n" not in text
    assert evaluation.verdict.candidate_metrics["accuracy"] > 0.5


def test_a_broken_champion_may_be_replaced_where_that_is_asked(
    data: tuple[Path, Snapshot], candidate: Path, champion: Path, tmp_path: Path
) -> None:
    folder = damaged(champion, tmp_path / "7", "garbage")
    question = Question(data[0], candidate, folder, 7, gate=Gate(allow_broken_champion=True))
    assert evaluate(question).verdict.decision == "promote"


def test_a_candidate_that_answers_nan_is_rejected_with_a_page(
    data: tuple[Path, Snapshot], candidate: Path, champion: Path, tmp_path: Path
) -> None:
    import keras  # noqa: PLC0415

    model = keras.models.load_model(candidate / MODEL)
    kernel, bias = model.get_layer(PROBABILITIES).get_weights()
    model.get_layer(PROBABILITIES).set_weights([np.full_like(kernel, np.nan), bias])
    sick = put_candidate(model, tmp_path / "sick", data[1].digest)
    evaluation = evaluate(Question(data[0], sick, champion))
    write(evaluation, tmp_path / "out")

    verdict = Verdict.read(tmp_path / "out")
    assert (verdict.decision, verdict.summary) == ("reject", "Rejected: answers that are no probabilities")
    with gzip.open(tmp_path / "out" / PREDICTIONS, "rt") as file:
        assert json.loads(next(file))["probabilities"] == [None, None, None]


def test_a_candidate_that_is_not_there_or_no_model_is_an_error_of_one_line(
    data: tuple[Path, Snapshot], candidate: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match=r"candidate\.json is missing"):
        evaluate(Question(data[0], tmp_path))
    shutil.copytree(candidate, tmp_path / "candidate")
    (tmp_path / "candidate" / MODEL).write_bytes(b"no archive")
    with pytest.raises(IntegrityError, match=r"model\.keras does not load: ") as error:
        evaluate(Question(data[0], tmp_path / "candidate"))
    assert "\n" not in str(error.value)
    (tmp_path / "candidate" / MODEL).unlink()
    with pytest.raises(NotFoundError, match=r"model\.keras is missing"):
        evaluate(Question(data[0], tmp_path / "candidate"))


def test_without_the_layer_there_are_no_heatmaps_and_the_page_says_so(
    data: tuple[Path, Snapshot], tmp_path: Path
) -> None:
    plain = put_candidate(trained(data, 32, 2, features="elsewhere"), tmp_path / "plain", data[1].digest)
    evaluation = evaluate(Question(data[0], plain))
    assert evaluation.evidence.gallery.worst
    assert not [name for name in evaluation.pictures.urls if name.startswith(HEAT)]
    assert evaluation.pictures.note is not None
    write(evaluation, tmp_path / "out")
    assert "There are no heatmaps: they need the layers features" in (tmp_path / "out" / "report.html").read_text()


def test_on_the_command_line_a_rejection_is_a_normal_end(
    data: tuple[Path, Snapshot],
    candidate: Path,
    champion: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    given = ["--snapshot", data[0], "--candidate", candidate, "--champion", champion, "--out", out]
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, given), "--min-accuracy", "1"])
    main()

    printed = capsys.readouterr().out
    assert "broken: Accuracy " in printed
    assert f"Rejected: accuracy too low: {out / 'report.html'}" in printed
    assert Verdict.read(out).champion == 3
