"""Names of classes, and the keys of images that people contribute."""

import hashlib
import unicodedata

import pytest

from binocular.contributions import (
    Contribution,
    Kind,
    class_prefix,
    contribution_key,
    label_of,
    parse_contribution,
)
from binocular.errors import InvalidKeyError, InvalidLabelError
from binocular.labels import check_label, find_alike
from binocular.store import check_key

SHA256 = hashlib.sha256(b"image").hexdigest()


@pytest.mark.parametrize(
    "label", ["glass", "Apple Braeburn", "Tomato 1", "Äpfel", "纸", "a", "x" * 100, "100% wool"]
)
def test_ordinary_names_are_labels(label: str) -> None:
    assert check_label(label) == label


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("", "1 to 100 characters"),
        ("x" * 101, "has 101"),
        (" glass", "blank"),
        ("glass ", "blank"),
        ("a\nb", "line breaks"),
        ("a\x7fb", "control"),
        ("a\u2028b", "line breaks"),
        ("\ud800", "control"),
        ("a/b", "'/'"),
        ("a\\b", "backslash"),
        (".", "folder"),
        ("..", "folder"),
    ],
)
def test_names_that_break_folders_keys_or_reports_are_refused(label: str, why: str) -> None:
    with pytest.raises(InvalidLabelError, match="rename the class") as caught:
        check_label(label)
    assert why in str(caught.value)


def test_a_label_has_one_spelling() -> None:
    assert check_label(unicodedata.normalize("NFD", "Äpfel")) == "Äpfel"


def test_names_that_differ_only_by_case_or_spelling_are_found() -> None:
    assert find_alike(["glass", "paper", "Glass"]) == ("glass", "Glass")
    assert find_alike(["Äpfel", unicodedata.normalize("NFD", "Äpfel")]) is not None
    assert find_alike(["glass", "paper", "glass"]) is None


@pytest.mark.parametrize("kind", ["uploads", "feedback"])
@pytest.mark.parametrize(
    "label",
    ["glass", "Apple Braeburn", "Äpfel", "100% wool", "%2F", ".uploads", "a.versions", "...", "纸" * 80, "a:b?*"],
)
def test_a_key_tells_what_it_was_made_of(kind: Kind, label: str) -> None:
    key = contribution_key(kind, label, SHA256)

    assert check_key(key) == key
    assert parse_contribution(key) == Contribution(kind, label, SHA256)
    assert key == class_prefix(kind, label) + SHA256
    assert label_of(kind, key.split("/")[1]) == label


def test_a_plain_label_is_legible_in_its_key() -> None:
    assert contribution_key("uploads", "Apple Braeburn", SHA256) == f"uploads/Apple Braeburn/{SHA256}"
    assert contribution_key("uploads", "100% wool", SHA256) == f"uploads/100%25 wool/{SHA256}"


def test_a_label_too_long_for_any_store_is_refused() -> None:
    with pytest.raises(InvalidLabelError, match="300 bytes"):
        contribution_key("uploads", "纸" * 100, SHA256)


def test_a_key_holds_a_checksum_and_nothing_else() -> None:
    with pytest.raises(InvalidKeyError, match="no SHA-256"):
        contribution_key("uploads", "glass", "../../production")


@pytest.mark.parametrize(
    "key",
    [
        f"models/glass/{SHA256}",
        f"uploads/{SHA256}",
        f"uploads/glass/{SHA256[:-1]}",
        f"uploads/glass/{SHA256.upper()}",
        f"uploads/glass/more/{SHA256}",
        f"uploads/%67lass/{SHA256}",
        f"uploads/a%2Fb/{SHA256}",
        f"uploads/%FF/{SHA256}",
        f"uploads/ glass/{SHA256}",
    ],
)
def test_keys_that_nobody_made_this_way_are_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidKeyError, match="uploads or feedback") as caught:
        parse_contribution(key)
    assert key[:20] in str(caught.value)


@pytest.mark.parametrize("folder", ["%67lass", "a%2Fb", "%FF", " glass", ""])
def test_a_folder_of_no_class_is_refused(folder: str) -> None:
    with pytest.raises(InvalidKeyError, match=f"uploads/{folder}/"):
        label_of("uploads", folder)
