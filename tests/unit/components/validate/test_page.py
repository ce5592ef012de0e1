import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from binocular.quarantine import QUARANTINE
from binocular.snapshot import SPLITS, PackWriter, Rejected
from components.validate import page
from components.validate import report as reports
from components.validate.findings import Checked
from components.validate.thresholds import Thresholds
from components.validate.validation import assemble, validate, write
from tests.unit.components.validate.conftest import Frozen, MakeFrozen, found, of_rows, picture, plain, png, row

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>&amp;\n\x1b[31m"\''


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


@pytest.fixture(scope="module")
def rendered(faulty: Frozen) -> str:
    return page.render(faulty.report(Thresholds()), faulty.snapshot, faulty.folder)


def test_the_verdict_comes_first_with_its_reasons(faulty: Frozen, rendered: str) -> None:
    report = faulty.report(Thresholds())
    text = Tags(rendered).text
    body = text[text.index("}\n") :]

    assert not report.passed
    positions = [
        body.index(part) for part in (report.verdict, report.of("hard")[0].message, "Problems", "Classes")
    ]
    assert positions == sorted(positions)


def test_it_asks_nobody_for_anything_and_runs_nothing(rendered: str) -> None:
    tags = Tags(rendered).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "form", "a"}
    assert all(attributes["src"].startswith("data:image/jpeg;base64,") for tag, attributes in tags if tag == "img")  # type: ignore[union-attr]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", rendered)
    assert "default-src 'none'" in rendered


def test_contradictions_and_leaks_are_shown_side_by_side_with_their_labels(faulty: Frozen, rendered: str) -> None:
    text = re.sub(r"\s+", "", Tags(rendered).text)
    for planted in faulty.planted:
        if planted.fault in {"conflict", "leakage", "corrupt"}:
            for name in planted.files:
                assert re.sub(r"\s+", "", name) in text


def test_hostile_names_are_text(frozen: MakeFrozen, tmp_path: Path) -> None:
    files = [*plain((HOSTILE, "dog"), 4), found(HOSTILE, HOSTILE, b"no image"), found(HOSTILE, "dog", picture(5))]
    files.append(found(HOSTILE * 40, HOSTILE, picture(5)))
    made = frozen(files)
    write(made.report(), made.snapshot, made.folder, tmp_path)

    shown = (tmp_path / "report.html").read_text()
    tags = Tags(shown).tags
    assert not {tag for tag, _ in tags} & {"script"}
    assert not [attributes for _, attributes in tags if "onerror" in attributes]
    assert "<script>alert" in Tags(shown).text
    assert "\x1b" not in shown
    assert all("\x1b" not in finding.message for finding in made.report().findings)
    rows = json.loads((tmp_path / "quarantine.json").read_text())["rows"]
    assert HOSTILE in {row["label"] for row in rows}


def test_a_name_that_is_no_utf_8_is_written(tmp_path: Path) -> None:
    stray = "caf\udce9.jpg"
    snapshot = of_rows([], [Rejected(stray, "cat\udce9", "damaged")])
    report = assemble(snapshot, None, Checked(), Thresholds())
    write(report, snapshot, tmp_path, tmp_path)

    assert json.loads((tmp_path / "report.json").read_text())["unreadable"] == 1


def test_twenty_thousand_images_with_thousands_of_problems_stay_below_two_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [png(Image.fromarray(rng.integers(0, 255, (150, 150, 3), dtype=np.uint8))) for _ in range(100)]
    folder = tmp_path / "snapshot"
    rows = [row(n, "x" * 300 + str(n % 700), SPLITS[n % 3], found=2, group=f"{n // 5}") for n in range(20_000)]
    # A hundred pictures under the digests of twenty thousand.
    shown = {each.sha256: noise[n % 100] for n, each in enumerate(rows)}

    def images(_: Path, wanted: list[object]) -> list[tuple[object, bytes]]:
        return [(each, shown[each.sha256]) for each in wanted]  # type: ignore[attr-defined]

    snapshot = of_rows(rows, [Rejected("y" * 4000 + str(n), "cat", "z" * 4000) for n in range(5000)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("binocular.snapshot.images", images)
        patch.setattr("components.validate.validation.outliers", lambda *_: Checked())
        report = validate(snapshot, folder, Thresholds(), None, measured={})
        text = page.render(report, snapshot, folder)
    assert {"leakage", "duplicates", "near_label_conflicts", "unreadable"} <= {
        each.check for each in report.findings
    }
    assert text.count("<img") > 50
    assert len(text.encode()) < 2_000_000
    assert "more cases are in report.json" in text


def test_pictures_that_do_not_fit_are_left_away_and_that_is_shown(
    faulty: Frozen, rendered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_PICTURE_BYTES", 20_000)
    text = page.render(faulty.report(Thresholds()), faulty.snapshot, faulty.folder)

    assert len(text) < len(rendered) - 20_000
    assert 0 < text.count("<img") < rendered.count("<img")
    assert "not shown</div>" in text
    assert "not shown</div>" not in rendered


def test_no_json_holds_what_is_no_number(faulty: Frozen, tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    reports.write(faulty.report(), faulty.snapshot.rows, tmp_path)
    for name in (reports.REPORT, QUARANTINE):
        json.loads((tmp_path / name).read_text(), parse_constant=refuse)


def test_a_snapshot_without_complaints_says_so_and_what_was_checked(frozen: MakeFrozen) -> None:
    made = frozen(plain())
    report = made.report(champion=made.snapshot)

    assert (report.findings, report.passed) == ((), True)
    text = Tags(page.render(report, made.snapshot, made.folder)).text
    assert report.verdict == "Fit to train on; nothing to complain about"
    assert "Exact duplicates" in text
    assert "Classes that went" in text
    assert "Problems" not in text


def test_a_snapshot_of_nothing_has_a_page_too(tmp_path: Path) -> None:
    with PackWriter(tmp_path):
        pass
    snapshot = of_rows([])
    assert "0" in page.render(assemble(snapshot, None, Checked(), Thresholds()), snapshot, tmp_path)
