"""What a person may ask of a training, what is chosen where they do not, and how recipes are compared."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from binocular.errors import DataError, SettingError
from binocular.snapshot import Place, Row, Snapshot, Split, freeze
from components.train import choices
from components.train.choices import choose
from components.train.headroom import available
from components.train.material import Material
from components.train.recipe import Recipe
from components.train.sweep import Contestant, Sweep, parse, recipes


def row(number: int, label: str, split: Split, side: int = 300) -> Row:
    digest = f"{number:064x}"
    place = Place("0" * 64, 0, 1)
    return Row(digest, label, split, None, False, ("a",), 1, "JPEG", side, side + 9, "0", digest, place)  # noqa: FBT003


def material(*rows: Row, of: Snapshot | None = None) -> Material:
    return Material(of or freeze(rows, ()), Path("nowhere"), rows)


ENOUGH = (row(1, "glass", "train"), row(2, "metal", "train"), row(3, "glass", "validation"))


@pytest.mark.parametrize(("side", "chosen"), [(40, 96), (100, 128), (150, 160), (3000, 224)])
def test_the_image_size_follows_the_photos(side: int, chosen: int) -> None:
    rows = [replace(each, width=side, height=side + 1) for each in ENOUGH]

    recipe, choices = choose(Recipe(), material(*rows))

    assert recipe.image_size == chosen
    (why,) = [each.because for each in choices if each.name == "image_size"]
    assert str(side) in why


def test_what_is_given_is_not_chosen() -> None:
    given = Recipe(
        image_size=200,
        epochs=3,
        learning_rate=0.1,
        fine_tune_epochs=2,
        batch_size=8,
        class_weights="balanced",
        augmentation="none",
    )
    assert choose(given, material(*ENOUGH)) == (given, ())


@pytest.mark.parametrize(("images", "epochs"), [(200, 20), (2100, 10), (100_000, 4)])
def test_fine_tuning_passes_over_many_images_less_often(images: int, epochs: int) -> None:
    many = material(*ENOUGH, *[replace(ENOUGH[0], sha256=f"{n + 10:064x}") for n in range(images - 2)])
    assert choose(Recipe(), many)[0].fine_tune_epochs == epochs
    assert choose(Recipe(fine_tune_share=0), many)[0].fine_tune_epochs == 0


@pytest.mark.parametrize(("gigabytes", "batch"), [(64, 32), (3, 16), (0.1, 4)])
def test_a_step_takes_as_many_images_as_memory_allows(
    gigabytes: float, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "available", lambda: int(gigabytes * 2**30))
    recipe, chosen = choose(Recipe(image_size=224), material(*ENOUGH))
    assert recipe.batch_size == batch
    assert any(f"{gigabytes:.1f} GiB" in each.because for each in chosen)


@pytest.mark.parametrize(("rare", "value"), [(10, "none"), (4, "balanced")])
def test_a_rare_class_counts_more(rare: int, value: str) -> None:
    counts = {"glass": 10, "metal": rare}
    rows = [row(1, "glass", "validation")]
    rows += [row(100 * len(label) + n, label, "train") for label, number in counts.items() for n in range(number)]
    assert choose(Recipe(), material(*rows))[0].class_weights == value


def test_a_container_s_memory_is_what_its_limit_leaves(tmp_path: Path) -> None:
    free = available(tmp_path)  # no group, no limit
    assert free > 0
    (tmp_path / "memory.max").write_text("max\n")
    assert available(tmp_path) > 0
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert available(tmp_path) == 450


def test_a_network_from_nothing_learns_longer_and_faster_than_a_head() -> None:
    scratch, _ = choose(Recipe(architecture="small_cnn"), material(*ENOUGH))
    head, _ = choose(Recipe(), material(*ENOUGH))
    assert (scratch.learning_rate, head.learning_rate) == (3e-3, 1e-3)
    assert (scratch.augmentation, head.augmentation) == ("light", "strong")
    assert (scratch.epochs, scratch.fine_tune_epochs) == (48, 0)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (ENOUGH[:2], "no validation images"),
        ((ENOUGH[0], ENOUGH[2]), "there is one class"),
        ((*ENOUGH, row(4, "paper", "test")), "no training images of paper"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_saying_what_to_add(rows: tuple[Row, ...], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        _ = material(*rows).classes


def test_a_class_whose_training_images_are_all_left_out_is_named() -> None:
    with pytest.raises(DataError, match="no training images of metal"):
        _ = material(ENOUGH[0], ENOUGH[2], of=freeze(ENOUGH, ())).classes


def test_a_disk_has_room_for_all_pixels_before_the_first_comes(tmp_path: Path) -> None:
    file = tmp_path / "pixels.npy"
    with pytest.raises(FileNotFoundError):  # there are no packs
        material(*ENOUGH).pixels(ENOUGH, 96, file, logging.getLogger())
    assert file.stat().st_blocks * 512 >= file.stat().st_size > 96 * 96 * 3 * len(ENOUGH)


def test_a_sweep_changes_what_it_names_and_keeps_the_rest() -> None:
    base = Recipe(epochs=7)
    assert recipes(base, parse('[{"l2": 0.01}, {"l1": 0.01, "epochs": 8}]')) == [
        replace(base, l2=0.01),
        replace(base, l1=0.01, epochs=8),
    ]
    assert recipes(base, []) == [base]


@pytest.mark.parametrize("text", ["{", "3", "[3]", '{"l2": 1}'])
def test_a_sweep_that_is_no_list_of_recipes_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="sweep"):
        recipes(Recipe(), parse(text))


def test_a_misspelt_parameter_of_a_sweep_is_refused() -> None:
    with pytest.raises(SettingError, match="did you mean dropout"):
        recipes(Recipe(), [{"dropuot": 0.1}])


def contestant(balanced: float, log_loss: float, **recipe: float) -> Contestant:
    figures = {"accuracy": 0.9, "balanced_accuracy": balanced, "log_loss": log_loss, "temperature": 1.0}
    return Contestant.of(Recipe.of(recipe), figures, 1.0)


def test_the_best_of_a_sweep_is_right_over_all_classes_alike_then_surest() -> None:
    found = Sweep.of([contestant(0.8, 0.1), contestant(0.9, 0.5, l2=0.01), contestant(0.9, 0.4, l2=0.1)])
    assert found.kept == 2
    assert found.varied == ("l2",)


def test_of_equal_recipes_the_first_is_kept() -> None:
    assert Sweep.of([contestant(0.9, 0.4), contestant(0.9, 0.4)]).kept == 0
