from datetime import UTC, datetime
from xml.etree.ElementTree import ParseError

import pytest

from binocular.s3 import _objects

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
FACTS = '<LastModified>2026-11-30T19:08:08.123Z</LastModified><ETag>"abc"</ETag><Size>7</Size>'


def page(contents: str, encoding: str = "<EncodingType>url</EncodingType>", xmlns: str = XMLNS) -> bytes:
    return f"<?xml version='1.0'?><ListBucketResult {xmlns}>{encoding}{contents}</ListBucketResult>".encode()


@pytest.mark.parametrize("xmlns", [XMLNS, ""])
def test_objects_are_read_as_the_store_tells_them(xmlns: str) -> None:
    owner = "<Owner><ID>me</ID></Owner>"
    found = _objects(
        "b", page(f"<Contents><Key>a/caf%C3%A9+1%2B2</Key>{FACTS}{owner}</Contents>" * 2, xmlns=xmlns)
    )
    assert [each.object_name for each in found] == ["a/café 1+2"] * 2
    assert (found[0].etag, found[0].size) == ("abc", 7)
    assert found[0].last_modified == datetime(2026, 11, 30, 19, 8, 8, 123_000, UTC)


def test_a_key_that_is_not_encoded_is_taken_as_it_is() -> None:
    (found,) = _objects("b", page(f"<Contents><Key>100%25 + 1</Key>{FACTS}</Contents>", encoding=""))
    assert found.object_name == "100%25 + 1"


def test_a_folder_is_told_from_an_object() -> None:
    (found,) = _objects("b", page(f"<Contents><Key>a/</Key>{FACTS}</Contents>"))
    assert found.is_dir


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"<html>",
        page("<Contents><Key>a</Key></Contents>"),
        page(f"<Contents>{FACTS}</Contents>"),
        page(f"<Contents><Key>a</Key>{FACTS.replace('7', 'many')}</Contents>"),
        page(f"<Contents><Key>a</Key>{FACTS.replace('2026', 'year')}</Contents>"),
    ],
)
def test_what_makes_no_sense_is_no_listing(told: bytes) -> None:
    with pytest.raises(ParseError):
        _objects("b", told)
