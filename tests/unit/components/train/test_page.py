"""The page of a training: whole, escaped, nothing asked of anybody."""

from binocular.candidate import Candidate, Choice, Energy, Epoch
from components.train.page import render_curves
from components.train.recipe import Recipe
from components.train.sweep import Contestant, Sweep

FIGURES = {"accuracy": 0.91, "balanced_accuracy": 0.9, "log_loss": 0.3, "temperature": 1.2}


def epoch(number: int, loss: float) -> Epoch:
    return Epoch(
        phase="head",
        epoch=number,
        loss=loss,
        accuracy=0.8,
        validation_loss=loss + 0.1,
        validation_accuracy=0.7,
        learning_rate=0.001,
        seconds=1.0,
    )


def facts(weights: str = "imagenet") -> Candidate:
    return Candidate(
        classes=("a", "b"),
        height=160,
        width=160,
        snapshot="5" * 32,
        images={"train": 10, "validation": 4, "test": 4},
        architecture="mobilenet_v2",
        weights=weights,
        recipe={"epochs": 60, "dropout": 0.2},
        chosen=(Choice(name="epochs", value="60", because="a head takes seconds"),),
        history=(epoch(1, 0.9), epoch(2, 0.4)),
        validation=FIGURES,
        seconds={"embedding": 3.0, "training the head": 1.0},
        energy=Energy(kwh=0.001, co2_kg=0.0004, country="FRA"),
        embedded={"computed": 14, "cached": 0},
    )


def sweep(*l2: float) -> Sweep:
    return Sweep.of([Contestant.of(Recipe(l2=each), FIGURES, 2.0) for each in l2])


def test_it_shows_how_the_training_went_and_asks_nobody_for_anything() -> None:
    page = render_curves(facts(), sweep(1e-4))

    assert "91 % of validation images right" in page
    assert "lowest on validation images: 0.500, epoch 2 of head" in page
    assert "chosen because a head takes seconds" in page
    assert "14 computed, 0 known from before" in page
    assert "Recipes compared" not in page
    assert not any(mark in page for mark in ("<script", "http://", "https://", "url("))


def test_a_sweep_is_a_table_of_what_differs() -> None:
    page = render_curves(facts(), sweep(0.01, 0.1))

    assert page.count('<span class="chip good">kept</span>') == 1
    assert "<th>l2</th>" in page
    assert "<th>l1</th>" not in page


def test_strangers_text_stays_text() -> None:
    assert "<b>x" not in render_curves(facts(weights="<b>x</b>"), sweep(0.01))
