"""The model card: valid front matter and Markdown, whatever the classes are called."""

import yaml

from binocular.bundle import Bundle
from binocular.candidate import Choice
from binocular.datasets import Reference
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
        metrics={"accuracy": 0.91234, "macro_f1": 0.9},
        champion=2,
        energy=None,
    )


def test_the_front_matter_tells_programs_what_it_is() -> None:
    _, front, _ = render_card(facts("glass", "metal")).split("---\n", 2)
    told = yaml.safe_load(front)

    assert told["pipeline_tag"] == "image-classification"
    (result,) = told["model-index"][0]["results"]
    assert {each["type"]: each["value"] for each in result["metrics"]} == {"accuracy": 0.9123, "macro_f1": 0.9}


def test_a_person_reads_what_it_learnt_from_and_why_it_is_as_it_is() -> None:
    card = render_card(facts("glass", "metal"))

    assert "let in over version 2" in card
    assert "| glass | 7 | 0 | 0 |" in card
    assert "| epochs | 24 | it has much to learn |" in card


def test_a_class_cannot_break_out_of_its_cell() -> None:
    card = render_card(facts(HOSTILE, "metal"))

    (line,) = [line for line in card.splitlines() if line.startswith("| a ")]
    assert line == "| a \\| b\"' \\<script\\>\\*x\\*\\</script\\> | 7 | 0 | 0 |"
    yaml.safe_load(card.split("---\n", 2)[1])
