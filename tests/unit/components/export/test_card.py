"""The model card: valid front matter and Markdown, whatever the classes are called."""

import json
from pathlib import Path

import pytest
import yaml

from binocular.bundle import Bundle
from binocular.candidate import Choice
from binocular.datasets import Reference
from binocular.errors import IntegrityError
from binocular.verdict import EVALUATION, ClassFigures, Reason, Verdict, class_figures
from components.export.card import render_card

HOSTILE = "a | b\"' <script>*x*</script>"


def facts(*classes: str) -> Bundle:
    return Bundle(
        classes=classes,
        height=96,
        width=96,
        name="waste",
        run="run-1",
        created="2026-11-21T00:00:00+00:00",
        snapshot=Reference.at("snapshots/5f/9b"),
        counts={"train": {classes[0]: 7}},
        architecture="small_cnn",
        weights="none",
        recipe={"epochs": 24},
        chosen=(Choice(name="epochs", value="24", because="it has much to learn"),),
        metrics={"accuracy": 0.91234, "macro_f1": 0.9, "mcc": 0.88},
        champion=2,
        energy=None,
    )


VERDICT = Verdict(
    decision="promote",
    summary="Promoted: accuracy 91.2 % against 90.0 %",
    reasons=(Reason(rule="not-worse", passed=True, text="1.2 points better | at least as good"),),
    asked={},
    snapshot="5f",
    images=90,
    champion=2,
    candidate_metrics={},
    champion_metrics={},
)
CLASSES = (ClassFigures(label="glass", images=15, precision=0.9, recall=0.8, f1=0.85),)


def rendered(*classes: str) -> str:
    return render_card(facts(*classes), VERDICT, CLASSES)


def test_the_front_matter_tells_programs_what_it_is() -> None:
    _, front, _ = rendered("glass", "metal").split("---\n", 2)
    told = yaml.safe_load(front)

    assert (told["pipeline_tag"], told["library_name"]) == ("image-classification", "tensorflow")
    assert told["metrics"] == ["accuracy", "f1", "matthews_correlation"]
    assert "license" not in told  # whoever shares it says
    (result,) = told["model-index"][0]["results"]
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {"name": "waste", "type": "5f", "split": "test", "revision": "5f"}
    assert result["metrics"] == [
        {"type": "accuracy", "value": 0.9123, "name": "accuracy"},
        {"type": "f1", "value": 0.9, "name": "macro f1", "args": {"average": "macro"}},
        {"type": "matthews_correlation", "value": 0.88, "name": "mcc"},
    ]


def test_a_person_reads_what_it_learnt_from_and_why_it_is_as_it_is() -> None:
    card = rendered("glass", "metal")

    assert "let in over version 2" in card
    assert "| glass | 7 | 0 | 0 |" in card
    assert "| epochs | 24 | it has much to learn |" in card


def test_a_person_reads_why_it_was_let_in_and_how_each_class_is_recognised() -> None:
    card = rendered("glass", "metal")

    assert "Promoted: accuracy 91.2 % against 90.0 %.\n" in card
    assert "- kept, `not-worse`: 1.2 points better \\| at least as good" in card
    assert "| glass | 15 | 0.9000 | 0.8000 | 0.8500 |" in card


def test_a_class_cannot_break_out_of_its_cell() -> None:
    card = rendered(HOSTILE, "metal")

    (line,) = [line for line in card.splitlines() if line.startswith("| a ")]
    assert line == "| a \\| b\"' \\<script\\>\\*x\\*\\</script\\> | 7 | 0 | 0 |"
    yaml.safe_load(card.split("---\n", 2)[1])


def test_figures_are_those_of_the_evaluation_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert class_figures(tmp_path) == ()
    told = {"label": "glass", "images": 3, "precision": None, "recall": 1.0, "f1": 0.5, "roc": []}
    (tmp_path / EVALUATION).write_text(json.dumps({"candidate": {"measures": {"classes": [told]}}}))
    assert class_figures(tmp_path) == (ClassFigures(label="glass", images=3, recall=1.0, f1=0.5),)
    (tmp_path / EVALUATION).write_text("{}")
    with pytest.raises(IntegrityError, match=EVALUATION):
        class_figures(tmp_path)
