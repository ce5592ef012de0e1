import pytest

from binocular.errors import InvalidKeyError
from binocular.store import check_key


@pytest.mark.parametrize("key", ["a", "a/b c/ü.jpg", " a ", "...", ".a", "a..b", "x" * 255, "versions", "a:b%2F"])
def test_good_keys_pass(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "1 to 1024 bytes"),
        ("ü/" * 400 + "x", "1 to 1024 bytes"),
        ("/a", "must not begin or end with '/'"),
        ("a/", "must not begin or end with '/'"),
        ("a//b", "'//'"),
        ("a/./b", "'.'"),
        ("../a", "'..'"),
        ("a\\b", "backslash"),
        ("a\nb", "control character"),
        ("a\x7fb", "control character"),
        ("a/" + "x" * 256, "255 bytes"),
        ("\ud800", "not valid Unicode"),
        ("a/.uploads/b", "kept by the embedded store"),
        ("a.versions/b", "kept by the embedded store"),
    ],
)
def test_keys_that_some_store_renames_or_hides_are_refused(key: str, why: str) -> None:
    with pytest.raises(InvalidKeyError, match="object key") as caught:
        check_key(key)
    assert why in str(caught.value)
