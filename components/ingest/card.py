"""The dataset card: what a person wants to know of a snapshot before learning from it, in Hugging Face's format.

It is made from the rows alone: the same rows have the same card, which names no file and no person.
"""

from collections import Counter
from pathlib import Path

from binocular.report.cards import card
from binocular.snapshot import SPLITS, Snapshot

TEMPLATE = "card.md.j2"
# Hugging Face's names for how large a dataset is, each with the first number that is beyond it.
SIZES = {
    "n<1K": 10**3,
    "1K<n<10K": 10**4,
    "10K<n<100K": 10**5,
    "100K<n<1M": 10**6,
    "1M<n<10M": 10**7,
    "10M<n<100M": 10**8,
}
LARGEST = "100M<n<1B"


def render_card(frozen: Snapshot) -> str:
    """The card as Markdown."""
    rows = frozen.rows
    images = {row.sha256 for row in rows}
    return card(
        Path(__file__).parent,
        TEMPLATE,
        _front_matter(frozen),
        frozen=frozen,
        counts=frozen.counts(),
        formats=Counter(row.format for row in rows),
        sides=(min(min(row.width, row.height) for row in rows), max(max(row.width, row.height) for row in rows)),
        images=len(images),
        again=sum(row.found - 1 for row in rows),
        alike=len(images) - len({row.group for row in rows}),
        corrected=sum(row.corrected for row in rows),
    )


def size_category(images: int) -> str:
    """Hugging Face's name for a number of images."""
    return next((name for name, beyond in SIZES.items() if images < beyond), LARGEST)


def _front_matter(frozen: Snapshot) -> dict[str, object]:
    """What programs are told. The license is not ours to name: who shares the photos adds it."""
    examples = Counter(row.split for row in frozen.rows)
    weights = Counter[str]()
    for row in frozen.rows:
        weights[row.split] += row.place.size
    splits = [
        {"name": split, "num_bytes": weights[split], "num_examples": examples[split]}
        for split in SPLITS
        if examples[split]
    ]
    names = {str(place): label for place, label in enumerate(frozen.classes)}
    features = [{"name": "image", "dtype": "image"}, {"name": "label", "dtype": {"class_label": {"names": names}}}]
    return {
        "pretty_name": f"Labelled photos {frozen.digest[:12]}",
        "task_categories": ["image-classification"],
        "size_categories": [size_category(len(frozen.rows))],
        "tags": ["binocular"],
        "dataset_info": {"features": features, "splits": splits, "dataset_size": weights.total()},
    }
