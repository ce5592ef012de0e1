import re
from html.parser import HTMLParser

import numpy as np
import pytest

from components.evaluate import page
from components.evaluate.evidence import Evidence
from components.evaluate.figures import class_rows, confused, matrix, tiles
from components.evaluate.gate import Gate
from components.evaluate.judge import judge
from components.evaluate.mistakes import MOST_DISAGREEMENTS, MOST_WORST
from components.evaluate.pictures import HEAT, Pictures
from tests.unit.components.evaluate.conftest import CLASSES, answered, evidence, predictions

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>&amp;\x1b[31m"\''
LABELS, BEFORE = predictions(cat=(60, 50), dog=(60, 55), fox=(60, 40))
_, NOW = predictions(cat=(60, 58), dog=(60, 45), fox=(60, 60))


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(found: Evidence, gate: Gate | None = None, pictures: Pictures | None = None) -> str:
    return page.render(judge(found, gate or Gate()), found, pictures or Pictures())


def shown(found: Evidence, characters: int) -> Pictures:
    """A picture and a heatmap of so many characters for everything in the gallery."""
    every = (*found.gallery.worst, *found.gallery.fixed, *found.gallery.broken)
    url = "data:image/jpeg;base64," + "A" * characters
    return Pictures({name: url for each in every for name in (each.sha256, HEAT + each.sha256)})


@pytest.fixture(scope="module")
def both() -> Evidence:
    return evidence(LABELS, answered(NOW, CLASSES), answered(BEFORE, CLASSES))


def test_the_verdict_comes_first_then_broken_rules_then_figures(both: Evidence) -> None:
    gate = Gate(min_accuracy=0.99)
    verdict = judge(both, gate)
    text = Tags(rendered(both, gate)).text
    body = text[text.rindex("}\n") :]

    reasons = [each.text for each in sorted(verdict.reasons, key=lambda each: each.passed)]
    positions = [body.index(part) for part in (verdict.summary, *reasons, "Classes", "What is taken for what")]
    assert positions == sorted(positions)


def test_it_asks_nobody_for_anything_and_runs_nothing(both: Evidence) -> None:
    text = rendered(both, pictures=shown(both, 10))
    tags = Tags(text).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "form", "a"}
    assert all(str(attributes["src"]).startswith("data:image/jpeg") for tag, attributes in tags if tag == "img")
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", text)


def test_hostile_names_are_text() -> None:
    classes = (HOSTILE, "dog", "fox")
    labels, now = predictions(dog=(60, 50), fox=(60, 50))
    labels, now = labels + [HOSTILE] * 60, now + ["dog"] * 60
    now = [HOSTILE if label == "cat" else label for label in now]
    text = rendered(
        evidence(labels, answered(now, classes), answered(labels, classes)), Gate(min_class_recall=0.5)
    )

    tags = Tags(text).tags
    assert not {tag for tag, _ in tags} & {"script"}
    assert not [attributes for _, attributes in tags if "onerror" in attributes]
    assert "<script>alert" in Tags(text).text
    assert "\x1b" not in text


def test_the_worst_mistakes_are_shown_most_confident_first_and_no_more_than_planned() -> None:
    labels = ["cat"] * 100 + ["dog"] * 50
    wrong = answered(["dog"] * 100 + ["dog"] * 50, ("cat", "dog"))
    wrong.probabilities[:100, 1] = np.linspace(0.51, 0.99, 100)
    wrong.probabilities[:100, 0] = 1 - wrong.probabilities[:100, 1]
    right = answered(labels, ("cat", "dog"))
    gallery = evidence(labels, wrong, right).gallery

    assert len(gallery.worst) == MOST_WORST
    assert (gallery.mistakes, len(gallery.broken), gallery.fixed) == (100, MOST_DISAGREEMENTS, ())
    confidence = [each.candidate.confidence for each in gallery.worst]
    assert confidence == sorted(confidence, reverse=True)
    assert confidence[0] == pytest.approx(0.99)
    assert gallery.worst[0].chance == pytest.approx(0.01)


def test_many_classes_many_mistakes_and_large_pictures_stay_below_two_megabytes() -> None:
    rng = np.random.default_rng(0)
    classes = tuple("x" * 90 + f"{place:03}" for place in range(200))
    labels = [classes[place] for place in rng.integers(0, 200, 4000)]
    now = [label if rng.random() < 0.5 else classes[int(rng.integers(0, 200))] for label in labels]
    before = [label if rng.random() < 0.5 else classes[int(rng.integers(0, 200))] for label in labels]
    found = evidence(labels, answered(now, classes), answered(before, classes))
    text = rendered(found, pictures=shown(found, 60_000))

    assert len(text.encode()) < 2_000_000
    assert text.count("<img") > 15
    assert "not shown</div>" in text
    assert matrix(found.candidate.measures) == []  # type: ignore[arg-type]
    assert "classes that are recognised better are not shown" in text


def test_a_matrix_says_what_is_taken_for_what(both: Evidence) -> None:
    assert both.candidate.measures is not None
    drawn = matrix(both.candidate.measures)
    assert [label for label, _ in drawn] == list(CLASSES)
    assert [cell.images for cell in drawn[1][1]] == [0, 45, 15]
    assert drawn[1][1][2].says == "15 images of dog taken for fox"
    assert [(pair.label, pair.answer, pair.images) for pair in confused(both.candidate.measures)] == [
        ("dog", "fox", 15),
        ("cat", "dog", 2),
    ]


def test_a_class_is_new_where_the_champion_does_not_know_it_and_not_where_no_image_tests_it() -> None:
    labels, now = predictions(cat=(20, 18), dog=(20, 20))
    found = evidence(labels, answered(now, CLASSES), answered(["cat"] * 40, ("cat", "fox")))
    assert [(each.label, each.change) for each in class_rows(found)[0]] == [
        ("cat", "\N{MINUS SIGN}10.0"),
        ("dog", "new"),
        ("fox", None),
    ]


def test_tiles_and_rows_say_what_became_better_and_what_worse(both: Evidence) -> None:
    accuracy = tiles(both)[0]
    assert (accuracy.value, accuracy.champion, accuracy.change, accuracy.direction) == (
        "90.6 %",
        "80.6 %",
        "+10.0",
        "good",
    )
    rows, hidden = class_rows(both)
    assert [(row.label, row.direction) for row in rows] == [("cat", "good"), ("dog", "bad"), ("fox", "good")]
    assert hidden == 0
    loss = next(tile for tile in tiles(both) if tile.title == "log loss")
    assert loss.direction == "good"


@pytest.mark.parametrize(
    "found",
    [
        evidence([], answered([], CLASSES)),
        evidence(["cat"], answered(["cat"], CLASSES)),
        evidence(["cat"], answered(["dog"], CLASSES), answered(["cat"], CLASSES)),
        evidence(LABELS, answered(NOW, CLASSES), answered([""] * 180, ("", "ant"))),
    ],
    ids=["no image", "one image", "one mistake", "no common class"],
)
def test_next_to_nothing_has_a_page_too(found: Evidence) -> None:
    text = rendered(found)
    assert judge(found, Gate()).summary.split(":")[0] in text
    assert "nan" not in Tags(text).text.lower().split()


def test_a_candidate_without_measures_has_a_page_with_the_reason() -> None:
    sick = answered(NOW, CLASSES)
    sick.probabilities[:] = np.nan
    text = Tags(rendered(evidence(LABELS, sick, answered(BEFORE, CLASSES)))).text
    assert "180 of 180 answers hold NaN or infinity" in text
    assert "What is taken for what" not in text


def test_figures_on_different_images_have_no_difference() -> None:
    two = answered([label if label != "fox" else "cat" for label in BEFORE], ("cat", "dog"))
    found = evidence(LABELS, answered(NOW, CLASSES), two)
    accuracy = tiles(found)[0]
    assert (accuracy.value, accuracy.champion, accuracy.change) == ("90.6 %", "87.5 %", None)
    assert "The class lists differ" in Tags(rendered(found)).text


def test_missing_heatmaps_are_explained(both: Evidence) -> None:
    text = Tags(rendered(both, pictures=Pictures({}, "no heatmaps: there is no layer <features>"))).text
    assert "There are no heatmaps: there is no layer <features>." in text
