import json

import pytest

from binocular.errors import PackageError
from pipeline.local.placeholders import Context, known, resolve, resolve_command

INPUT = {
    "inputs": {
        "parameterValues": {"n": 3, "text": "{{$.pipeline_job_uuid}}", "list": [1.0, "a"]},
        "artifacts": {"data": {"artifacts": [{"name": "data", "uri": "minio://b/k", "metadata": {"size": 2}}]}},
    },
    "outputs": {
        "parameters": {"out": {"outputFile": "/some/out"}},
        "artifacts": {"model": {"artifacts": [{"uri": "minio://b/m"}]}},
    },
}
CONTEXT = Context(INPUT, {"job_id": "run-1", "root": "minio://b"}, lambda uri: uri.replace("minio://", "/here/"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain {$} {{x}}", "plain {$} {{x}}"),
        ("n={{$.inputs.parameters['n']}}!", "n=3!"),
        ('{{$.inputs.parameters["list"]}}', '[1, "a"]'),
        ("{{$.inputs.parameters['text']}}", "{{$.pipeline_job_uuid}}"),  # a value is not looked into
        ("{{$.pipeline_job_uuid}}/{{$.pipeline_root}}", "run-1/minio://b"),
        ("{{$.inputs.artifacts['data'].uri}}", "minio://b/k"),
        ("{{$.inputs.artifacts['data'].path}}", "/here/b/k"),
        ("{{$.inputs.artifacts['data'].metadata['size']}}", "2"),
        ("{{$.inputs.artifacts['none'].uri}}", "null"),
        ("{{$.outputs.artifacts['model'].path}}", "/here/b/m"),
        ("{{$.outputs.parameters['out'].output_file}}", "/some/out"),
    ],
)
def test_each_stands_for_what_it_names(text: str, expected: str) -> None:
    assert resolve(text, CONTEXT) == expected


def test_the_whole_input_is_json() -> None:
    assert json.loads(resolve("{{$}}", CONTEXT)) == INPUT


def test_structures_unfold_into_parts_of_a_command() -> None:
    optional = {"IfPresent": {"InputName": "n", "Then": ["--n", "{{$.inputs.parameters['n']}}"], "Else": ["none"]}}
    absent = {"IfPresent": {"InputName": "m", "Then": ["--m"]}}
    joined = {"Concat": ["a=", {"IfPresent": {"InputName": "data", "Then": "yes"}}, "{{$.pipeline_root}}"]}

    command = resolve_command(["sh", *map(json.dumps, (optional, absent, joined))], CONTEXT)

    assert command == ["sh", "--n", "3", "a=yesminio://b"]


@pytest.mark.parametrize(
    "text", ["{{$.workspace_path}}", "{{$.inputs.parameters['n'].json_escape[1]}}", "{{$.no}}"]
)
def test_one_that_nobody_resolves_is_refused_by_name(text: str) -> None:
    with pytest.raises(PackageError, match="not supported on one machine"):
        list(known(text))
