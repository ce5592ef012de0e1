"""The five steps one after the other, as plain functions on local folders, on the bundled sample."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from binocular import quarantine
from binocular.bundle import FILES, GOLDEN, LABELS, LITERT, TOLERANCE, Bundle
from binocular.candidate import MODEL, Candidate
from binocular.errors import ConflictError, IntegrityError, ModelError, NotPromotedError
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from binocular.snapshot import CARD, Snapshot
from binocular.verdict import Verdict, class_figures
from components.export.choices import Choices
from components.ingest.freezing import Options
from components.ingest.step import Source, ingest_folder
from components.train.material import Material
from components.train.recipe import Recipe
from components.train.shelf import FolderShelf
from components.train.weights import Origin
from components.validate import validation
from components.validate.thresholds import Thresholds
from serving.server import engines
from serving.server.deadline import Deadline
from serving.server.engines import EngineOptions

# Processor time of two cores for three minutes: what the whole may take, however busy the machine is.
MOST_CPU_S = 2 * 180
LEAST_ACCURACY = 0.9
COMPARED = 200
MOST_DROP = 0.05


@dataclass(frozen=True)
class Steps:
    """The folders that the steps left behind."""

    snapshot: Path
    frozen: Snapshot
    validation: Path
    candidate: Path
    evaluation: Path
    bundle: Path
    cpu_s: float


def cpu_s() -> float:
    """Processor time of this process and of those it waited for."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    from components.evaluate.evaluation import Question, evaluate  # noqa: PLC0415 - tensorflow takes seconds
    from components.evaluate.evaluation import write as write_evaluation  # noqa: PLC0415
    from components.export.exporting import Wanted, export  # noqa: PLC0415
    from components.train.training import train  # noqa: PLC0415

    started = cpu_s()
    home = tmp_path_factory.mktemp("steps")
    draw(home / "photos", Spec())
    frozen = ingest_folder(
        Source(str(home / "photos"), "", home / "downloads", None), home / "snapshot", None, Options()
    )
    report = validation.validate(frozen, home / "snapshot", Thresholds(), None)
    assert report.passed
    validation.write(report, frozen, home / "snapshot", home / "validation")
    rows = quarantine.read(home / "validation", frozen)
    material = Material(frozen, home / "snapshot", rows)
    origin = Origin(FolderShelf(home / "shelf"), None, home / "downloads")
    train(material, [Recipe(architecture="small_cnn", epochs=24)], origin, home / "scratch").write(
        home / "candidate"
    )
    question = Question(home / "snapshot", home / "candidate", validation=home / "validation")
    write_evaluation(evaluate(question), home / "evaluation")
    verdict, classes = Verdict.read(home / "evaluation"), class_figures(home / "evaluation")
    wanted = Wanted(
        home / "candidate", verdict, classes, home / "snapshot", rows, "waste", "1", None, None, Choices()
    )
    export(wanted, home / "bundle")
    return Steps(
        home / "snapshot",
        frozen,
        home / "validation",
        home / "candidate",
        home / "evaluation",
        home / "bundle",
        cpu_s() - started,
    )


def test_the_sample_is_learnt_in_three_minutes_of_two_cores(steps: Steps) -> None:
    verdict = Verdict.read(steps.evaluation)

    assert verdict.decision == "promote"
    assert verdict.candidate_metrics["accuracy"] >= LEAST_ACCURACY
    assert steps.cpu_s < MOST_CPU_S


def test_the_facts_tell_what_was_chosen_and_how_it_went(steps: Steps) -> None:
    facts = Candidate.read(steps.candidate)

    assert facts.classes == steps.frozen.classes
    assert facts.snapshot == steps.frozen.digest
    chosen = {choice.name for choice in facts.chosen}
    assert chosen == {"image_size", "learning_rate", "batch_size", "augmentation", "class_weights"}
    assert facts.recipe["epochs"] == 24
    assert [epoch.epoch for epoch in facts.history] == list(range(1, len(facts.history) + 1))
    assert facts.energy is not None
    assert facts.energy.kwh > 0


def test_a_bundle_is_complete_and_explains_itself(steps: Steps) -> None:
    facts = Bundle.read(steps.bundle)

    assert [name for name in FILES if not (steps.bundle / name).is_file()] == []
    assert json.loads((steps.bundle / LABELS).read_text()) == list(facts.classes)
    assert facts.counts["train"]["glass"] > 0
    card = (steps.bundle / "README.md").read_text()
    told = yaml.safe_load(card.split("---\n", 2)[1])
    assert told["model-index"][0]["results"][0]["dataset"]["split"] == "test"
    recall = next(each.recall for each in class_figures(steps.evaluation) if each.label == "glass")
    assert re.search(rf"^\| glass \| \d+ \| [\d.-]+ \| {recall:.4f} \|", card, re.MULTILINE)
    data = (steps.snapshot / CARD).read_text()
    assert all(label in card and label in data for label in facts.classes)


def test_keras_savedmodel_and_litert_agree_on_200_images_in_a_process_without_the_project(
    steps: Steps, tmp_path: Path
) -> None:
    facts = Bundle.read(steps.bundle)
    script = f"""
import sys, numpy as np, tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
bundle, candidate, images = sys.argv[1:]
images = np.load(images)
keras = tf.keras.models.load_model(candidate, compile=False)(images).numpy()
saved = tf.saved_model.load(bundle).signatures["serving_default"]
saved = saved(images=tf.constant(images))["probabilities"].numpy()
lite = Interpreter(bundle + "/model.tflite").get_signature_runner("serving_default")
lite = lite(images=images)["probabilities"]
assert "binocular" not in sys.modules and "components" not in sys.modules
assert keras.shape == saved.shape == lite.shape == ({COMPARED}, {len(facts.classes)})
print(max(np.abs(keras - saved).max(), np.abs(keras - lite).max()))
"""
    from components.export.golden import pixels  # noqa: PLC0415

    np.save(tmp_path / "images.npy", pixels(steps.frozen.rows[:COMPARED], steps.snapshot, facts))
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, steps.bundle, steps.candidate / MODEL, tmp_path / "images.npy"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= TOLERANCE


def test_a_bundle_that_answers_otherwise_is_not_let_out(steps: Steps, tmp_path: Path) -> None:
    from components.export.golden import prove  # noqa: PLC0415

    copy = tmp_path / "copy"
    shutil.copytree(steps.bundle, copy)
    golden = dict(np.load(copy / GOLDEN))
    np.savez(copy / GOLDEN, images=golden["images"], probabilities=golden["probabilities"] + 0.01)
    with pytest.raises(ModelError, match="answers differently from its golden"):
        prove(copy)
    (copy / LITERT).write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be loaded in a fresh process"):
        prove(copy)


@pytest.fixture(scope="module")
def quantised(steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same candidate, exported once more in int8."""
    from components.export import comparing  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("quantised")
    with pytest.MonkeyPatch.context() as patch:
        # Of so few test images, one that is torn and falls on the other side is more than half a point.
        patch.setattr(comparing, "MOST_DROP", MOST_DROP)
        export_again(steps, folder / "bundle", Choices(quantization="int8"))
    return folder / "bundle"


def export_again(steps: Steps, out: Path, choices: Choices) -> Bundle:
    from components.export.exporting import Wanted, export  # noqa: PLC0415

    verdict, rows = Verdict.read(steps.evaluation), quarantine.read(steps.validation, steps.frozen)
    return export(
        Wanted(steps.candidate, verdict, (), steps.snapshot, rows, "waste", "2", None, None, choices), out
    )


def test_an_int8_model_is_as_good_and_smaller_and_the_float_one_stays_for_tensorflow(
    steps: Steps, quantised: Path
) -> None:
    facts, plain = Bundle.read(quantised), Bundle.read(steps.bundle)

    assert plain.quantization is None
    became = facts.quantization
    assert became is not None
    assert became.taken, became.reason
    assert became.compared is not None
    assert became.compared.images == Verdict.read(steps.evaluation).images
    assert became.compared.accuracy >= became.compared.float_accuracy - MOST_DROP
    assert became.compared.agreement >= 0.95
    lite = {folder: (folder / LITERT).stat().st_size for folder in (steps.bundle, quantised)}
    assert (became.float_bytes, became.bytes) == (lite[steps.bundle], lite[quantised])
    assert lite[quantised] < 0.5 * lite[steps.bundle]
    assert f"About `model.tflite`: {became.reason}" in (quantised / "README.md").read_text()
    golden = [dict(np.load(folder / GOLDEN)) for folder in (steps.bundle, quantised)]
    assert np.array_equal(golden[0]["probabilities"], golden[1]["probabilities"])
    assert "litert_probabilities" not in golden[0]
    off = np.abs(golden[1]["litert_probabilities"] - golden[1]["probabilities"]).max()
    assert TOLERANCE < off < 0.25


def test_an_int8_model_answers_requests_of_any_size_as_it_did_when_it_was_judged(quantised: Path) -> None:
    golden = np.load(quantised / GOLDEN)
    options = EngineOptions(2, frozenset({"serve"}), 1, 1)
    engine = engines.load(quantised, options)
    try:
        assert engine.name == "litert"
        (signature,) = engine.signatures.serving
        for count in (1, len(golden["images"]), 3):
            asked = {"images": golden["images"][:count]}
            answer = engine.run(signature, asked, ["probabilities"], Deadline(None))["probabilities"]
            assert np.abs(answer - golden["litert_probabilities"][:count]).max() <= TOLERANCE
            assert answer.sum(axis=1) == pytest.approx(1, abs=1e-5)
    finally:
        engine.close()


def test_the_proof_holds_an_int8_model_to_its_own_answers_and_any_other_to_those_of_keras(
    quantised: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from components.export import fresh_process  # noqa: PLC0415

    copy = tmp_path / "copy"
    shutil.copytree(quantised, copy)
    off = []
    for _ in range(2):
        fresh_process.main(str(copy))
        off.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
        golden = dict(np.load(copy / GOLDEN))
        np.savez(copy / GOLDEN, **{name: each for name, each in golden.items() if "litert_" not in name})

    assert off[0]["LiteRT"] <= TOLERANCE < off[1]["LiteRT"]
    assert off[0]["SavedModel"] == off[1]["SavedModel"] <= TOLERANCE


def test_where_int8_does_worse_the_float_model_is_exported_and_says_why(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.export import int8  # noqa: PLC0415
    from components.export.graphs import write_saved_model  # noqa: PLC0415

    def damaged(model: Any, facts: Candidate, _: object) -> bytes:
        """The graph of a network that lost what it learnt in its last layer."""
        last = model.get_layer("logits")
        kept = last.get_weights()
        last.set_weights([np.zeros_like(each) for each in kept])
        content: bytes = write_saved_model(model, facts, tmp_path / "damaged").convert()
        last.set_weights(kept)
        return content

    monkeypatch.setattr(int8, "quantised", damaged)
    became = export_again(steps, tmp_path / "bundle", Choices(quantization="int8")).quantization

    assert became is not None
    assert not became.taken
    assert became.reason.startswith("int8 was left, and the float graph is served: accuracy falls from ")
    assert became.compared is not None
    assert became.compared.accuracy < became.compared.float_accuracy
    # It was proven to answer as Keras did, since there are no other golden answers.
    assert set(np.load(tmp_path / "bundle" / GOLDEN)) == set(np.load(steps.bundle / GOLDEN))
    assert (tmp_path / "bundle" / LITERT).stat().st_size == became.float_bytes


@pytest.mark.parametrize("fault", [RuntimeError("no\nconv\x1bolution"), b"no graph"])
def test_a_network_that_cannot_be_made_int8_is_served_as_it_is(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception | bytes
) -> None:
    from components.export import int8  # noqa: PLC0415

    def fails(*_: object) -> bytes:
        if isinstance(fault, Exception):
            raise fault
        return fault

    monkeypatch.setattr(int8, "quantised", fails)
    (tmp_path / LITERT).write_bytes(b"as it is")
    images = np.zeros((1, 96, 96, 3), np.uint8)
    material = int8.Material(steps.frozen.rows, steps.snapshot, images, {})
    became = int8.stand_in(None, Candidate.read(steps.candidate), material, tmp_path)

    assert (became.taken, became.bytes, became.compared) == (False, None, None)
    assert "the float graph is served: it could not be made: " in became.reason
    assert became.reason.isprintable()
    assert (tmp_path / LITERT).read_bytes() == b"as it is"


def test_a_candidate_that_is_no_network_is_an_error_of_one_line(steps: Steps, tmp_path: Path) -> None:
    from components.export import exporting  # noqa: PLC0415

    (tmp_path / MODEL).write_bytes(b"no archive")
    with pytest.raises(IntegrityError, match=r"model\.keras does not load .*: train again"):
        exporting._loaded(tmp_path, Candidate.read(steps.candidate))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"decision": "reject"}, "may not be exported"), ({"snapshot": "0" * 32}, "evaluate this candidate")],
)
def test_without_a_promoting_verdict_on_this_candidate_nothing_is_exported(
    steps: Steps, tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    from components.export.exporting import Wanted, export  # noqa: PLC0415

    verdict = Verdict.read(steps.evaluation).model_copy(update=change)
    wanted = Wanted(
        steps.candidate, verdict, (), steps.snapshot, steps.frozen.rows, "waste", "2", None, None, Choices()
    )
    with pytest.raises(NotPromotedError, match=complaint):
        export(wanted, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_never_overwritten(steps: Steps) -> None:
    from components.export.exporting import Wanted, export  # noqa: PLC0415

    verdict = Verdict.read(steps.evaluation)
    wanted = Wanted(
        steps.candidate, verdict, (), steps.snapshot, steps.frozen.rows, "waste", "2", None, None, Choices()
    )
    with pytest.raises(ConflictError, match="exists"):
        export(wanted, steps.bundle)
