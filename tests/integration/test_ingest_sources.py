"""The store as a source: a prefix of any bucket, and what people contributed."""

import hashlib
from pathlib import Path

import pytest

from binocular.contributions import Kind, contribution_key
from binocular.errors import BucketMissingError, IntegrityError, InvalidKeyError, SourceError, TooLargeError
from binocular.store import Store
from components.ingest.sources import Found, Limits, contributions, open_source
from tests.servers import StoreServer


def drawn(spec: str, store: Store, limits: Limits | None = None) -> list[Found]:
    return list(open_source(spec, store=store, scratch=Path("unused"), limits=limits or Limits()))


def contribute(store: Store, kind: Kind, label: str, data: bytes) -> str:
    key = contribution_key(kind, label, hashlib.sha256(data).hexdigest())
    store.put(key, data)
    return key


def test_a_prefix_is_laid_out_like_a_folder(store: Store, bucket: str) -> None:
    for key in ("train/brown glass/a.jpg", "train/paper/b.jpg", "val/paper/deep/c ü.jpg", "train/paper/.DS_Store"):
        store.put(f"sets/waste/{key}", key.encode())
    store.put("sets/waste/README.md", b"")
    store.put("sets/waste-old/glass/x.jpg", b"a neighbour")
    expected = [
        ("train/brown glass/a.jpg", "brown glass", "train"),
        ("train/paper/b.jpg", "paper", "train"),
        ("val/paper/deep/c ü.jpg", "paper", "validation"),
    ]

    for spec in (f"s3://{bucket}/sets/waste", f"s3://{bucket}/sets/waste/"):
        assert [(each.source, each.label, each.split, each.read()) for each in drawn(spec, store)] == [
            (f"s3://{bucket}/sets/waste/{key}", label, split, key.encode()) for key, label, split in expected
        ]


def test_another_bucket_of_the_same_store_is_read(server: StoreServer, store: Store, bucket: str) -> None:
    elsewhere = server.store(store_bucket=f"{bucket}-other")
    elsewhere.ensure_bucket()
    elsewhere.put("glass/a.jpg", b"a")

    assert [(each.label, each.read()) for each in drawn(f"s3://{bucket}-other", store)] == [("glass", b"a")]


def test_a_bucket_or_prefix_that_is_not_there_is_named(store: Store, bucket: str) -> None:
    with pytest.raises(BucketMissingError, match=f"{bucket}-absent"):
        drawn(f"s3://{bucket}-absent/x", store)
    with pytest.raises(SourceError, match=r"s3://.*/absent holds no images in class folders"):
        drawn(f"s3://{bucket}/absent", store)
    with pytest.raises(SourceError, match="names no bucket"):
        drawn("s3:///x", store)


def test_an_object_beyond_the_limit_is_not_held(store: Store, bucket: str) -> None:
    store.put("glass/a.jpg", bytes(1001))
    found = drawn(f"s3://{bucket}", store, Limits(member_bytes=1000))
    with pytest.raises(TooLargeError, match="more than the 1000"):
        found[0].read()


def test_contributions_come_with_their_labels_and_whether_they_correct(store: Store, bucket: str) -> None:
    keys = [
        contribute(store, "uploads", "brown glass", b"a"),
        contribute(store, "uploads", "100% wool", b"b"),
        contribute(store, "uploads", "Äpfel", b"c"),
        contribute(store, "feedback", ".uploads", b"d"),
        contribute(store, "feedback", "old.versions", b"e"),
    ]
    found = list(contributions(store))

    assert {each.source for each in found} == {f"s3://{bucket}/{key}" for key in keys}
    assert {(each.label, each.corrected, each.read()) for each in found} == {
        ("brown glass", False, b"a"),
        ("100% wool", False, b"b"),
        ("Äpfel", False, b"c"),
        (".uploads", True, b"d"),
        ("old.versions", True, b"e"),
    }
    assert {each.split for each in found} == {None}


def test_nothing_contributed_is_no_error(store: Store) -> None:
    assert list(contributions(store)) == []


def test_what_nobody_contributed_is_named_and_not_missed(store: Store) -> None:
    store.put("uploads/glass/photo.jpg", b"by hand")
    with pytest.raises(InvalidKeyError, match=r"uploads/glass/photo\.jpg"):
        list(contributions(store))


def test_a_contribution_that_is_not_what_its_key_says_is_refused(store: Store) -> None:
    store.put(contribution_key("uploads", "glass", "0" * 64), b"other bytes")
    with pytest.raises(IntegrityError, match="uploads/glass/0000"):
        next(contributions(store)).read()
