"""What the server reads from disk: configurations, version folders, warm-up requests."""

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from binocular.errors import SettingError
from binocular.wire.codes import StatusCode
from binocular.wire.messages import PredictionLog
from serving.server import config, warmup
from serving.server.config import ModelConfig, VersionPolicy
from serving.server.deadline import Deadline
from serving.server.status import LONGEST_TEXT, ServingError, invalid
from serving.versions import versions_in
from tests.unit.serving.engines import Doubling


def test_a_configuration_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(
        """
        model_config_list {
          config { name: "a" base_path: "/models/a" model_platform: "tensorflow" }
          config {
            name: "b" base_path: "/models/b"
            model_version_policy { specific { versions: 3 versions: 5 } }
            version_labels { key: "stable" value: 3 }
          }
          config { name: "c" base_path: "/c" model_version_policy { latest { num_versions: 2 } } }
          config { name: "d" base_path: "/d" model_version_policy { all {} } }
        }
        """
    )
    assert config.read_file(tmp_path / "f") == [
        ModelConfig("a", Path("/models/a"), VersionPolicy("latest", 1)),
        ModelConfig("b", Path("/models/b"), VersionPolicy("specific", versions=frozenset({3, 5})), {"stable": 3}),
        ModelConfig("c", Path("/c"), VersionPolicy("latest", 2)),
        ModelConfig("d", Path("/d"), VersionPolicy("all")),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "model_config_list { config { nam: 1 } }",
            "Error parsing text-format tensorflow.serving.Mod",
        ),
        ("", "Only ModelConfigList is currently supported"),
        ('model_config_list { config { name: "a" base_path: "gs://x" } }', "local folders only"),
        ('model_config_list { config { base_path: "/x" } }', "has no name"),
        (
            'model_config_list { config { name: "a" base_path: "/x" model_version_policy { specific {} } } }',
            "names no version",
        ),
    ],
)
def test_a_wrong_configuration_file_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "models").write_text(text)
    with pytest.raises(SettingError) as error:
        config.read_file(tmp_path / "models")
    assert str(error.value).startswith(f"{tmp_path / 'models'}: ")
    assert complaint in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="No such file or directory; it should hold a tensorflow"):
        config.read_file(tmp_path / "none")


def test_versions_are_folders_whose_whole_name_is_a_number(tmp_path: Path) -> None:
    for name in ("3", "0010", ".4", "5.tmp", "x", "-1", "٦", "99999999999999999999", "9223372036854775807"):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("")
    assert set(versions_in(tmp_path)) == {3, 10, 2**63 - 1}
    (tmp_path / "10").mkdir()
    assert versions_in(tmp_path)[10] == tmp_path / "0010"
    assert set(ModelConfig("m", tmp_path).aspired()) == {2**63 - 1}


def test_a_folder_that_is_never_empty_is_never_found_empty(tmp_path: Path) -> None:
    folder, aside = tmp_path / "model", tmp_path / "aside"
    for each in (folder / "1", aside / "2"):
        each.mkdir(parents=True)

    def swap() -> None:
        for _ in range(2000):
            for comes, goes in (("2", "1"), ("1", "2")):
                (aside / comes).rename(folder / comes)
                (folder / goes).rename(aside / goes)

    with ThreadPoolExecutor() as threads:
        swapping = threads.submit(swap)
        while not swapping.done():
            assert versions_in(folder)
        swapping.result()


def tfrecord(*records: bytes) -> bytes:
    return b"".join(struct.pack("<QI", len(it), 0) + it + bytes(4) for it in records)


def test_records_are_read_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(tfrecord(b"one", b"", b"three"))
    assert list(warmup.records(tmp_path / "f")) == [b"one", b"", b"three"]
    (tmp_path / "f").write_bytes(b"")
    assert list(warmup.records(tmp_path / "f")) == []


@pytest.mark.parametrize("data", [tfrecord(b"one")[:-1], b"no record", b"\xff" * 40, tfrecord(b"one") + b"x"])
def test_a_file_that_is_cut_off_or_lies_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(ServingError, match="cut off"):
        list(warmup.records(tmp_path / "f"))


def test_each_warm_up_request_is_replayed_as_often_as_told(tmp_path: Path) -> None:
    path = tmp_path / warmup.REQUESTS
    path.parent.mkdir()
    log = PredictionLog()
    log.predict_log.request.model_spec.name = "another"
    tensor = log.predict_log.request.inputs["x"]
    tensor.dtype = 1
    for size in (3, 1):
        tensor.tensor_shape.dim.add(size=size)
    other = PredictionLog()
    other.classify_log.request.model_spec.name = "not offered, and skipped"
    path.write_bytes(tfrecord(log.SerializeToString(), other.SerializeToString()))
    engine = Doubling()
    assert warmup.replay(engine, tmp_path, times=2, tensor_limit=1000) == 2
    assert engine.sizes == [3, 3]
    path.write_bytes(tfrecord(*[log.SerializeToString()] * 1001))
    with pytest.raises(ServingError, match="exceeds the maximum"):
        warmup.replay(engine, tmp_path, times=1, tensor_limit=1000)
    path.write_bytes(tfrecord(b"\xff\xff"))
    with pytest.raises(ServingError, match="Failed to parse warmup record"):
        warmup.replay(engine, tmp_path, times=1, tensor_limit=1000)


def test_a_long_text_is_cut_as_the_original_cuts_it() -> None:
    text = invalid("x" * 5000).text
    assert len(text) == LONGEST_TEXT
    assert text.endswith("x...TRUNCATED")
    assert StatusCode.of(9).name == "FAILED_PRECONDITION"
    assert StatusCode.of(99).name == "UNKNOWN"


def test_a_deadline_says_what_is_left() -> None:
    assert Deadline().remaining() is None
    Deadline().check()
    assert Deadline.within(0).remaining() == 0
    with pytest.raises(ServingError, match="deadline passed"):
        Deadline.within(0).check()
    with pytest.raises(ServingError, match="went away"):
        Deadline(wanted=lambda: False).check()
