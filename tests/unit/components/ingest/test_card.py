"""The dataset card: valid front matter and Markdown, whatever the classes are called, and no file's name."""

from dataclasses import replace

import pytest
import yaml

from binocular.snapshot import SPLITS, Place, Rejected, Snapshot, freeze
from components.ingest.card import render_card, size_category
from tests.unit.test_snapshot import row

HOSTILE = "no: | <b>#1"


@pytest.fixture
def frozen() -> Snapshot:
    rows = [row(f"{n:064}", Place("p", 0, 100)) for n in range(6)]
    labelled = [
        replace(each, label=(HOSTILE, "yes")[n % 2], split=SPLITS[n // 2], sources=("ada.jpg",))
        for n, each in enumerate(rows)
    ]
    return freeze(
        [*labelled[:-1], replace(labelled[-1], found=3, corrected=True)], [Rejected("b", "c", "damaged")]
    )


def test_the_front_matter_tells_programs_what_it_is(frozen: Snapshot) -> None:
    told = yaml.safe_load(render_card(frozen).split("---\n", 2)[1])

    assert told["task_categories"] == ["image-classification"]
    assert told["size_categories"] == ["n<1K"]
    image, label = told["dataset_info"]["features"]
    assert image == {"name": "image", "dtype": "image"}
    assert label == {"name": "label", "dtype": {"class_label": {"names": {"0": HOSTILE, "1": "yes"}}}}
    assert told["dataset_info"]["splits"] == [
        {"name": split, "num_bytes": 200, "num_examples": 2} for split in SPLITS
    ]


def test_a_person_reads_what_is_in_it_and_no_file_is_named(frozen: Snapshot) -> None:
    card = render_card(frozen)

    assert "| no: \\| \\<b\\>\\#1 | 1 | 1 | 1 |" in card
    assert "Found more than once: 2." in card
    assert "Labels that a person corrected: 1. Files that are no images" in card
    assert "ada.jpg" not in card
    assert render_card(frozen) == card


@pytest.mark.parametrize(
    ("images", "name"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**5, "100K<n<1M"), (10**9, "100M<n<1B")],
)
def test_sizes_have_hugging_faces_names(images: int, name: str) -> None:
    assert size_category(images) == name
