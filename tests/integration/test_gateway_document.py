"""Requests made from the OpenAPI document, right and wrong: no error of ours, no answer that it does not name."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from binocular import registry
from binocular.store import Store, connect
from gateway import create_app
from tests.gateway_server import BEARER, NAME, publish_facts, settings_for
from tests.modelfolders import SIDE, make_classifier, publish
from tests.modelserver import ModelServer
from tests.pipelines_server import PipelinesServer
from tests.sample_pipelines import compiled, tiny

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
EXAMPLES = 12
# Each starts a process, and perhaps a training.
DEAR = {"/v1/retrain": 2}


@pytest.fixture(scope="module")
def app(
    embedded_store: Store, pipelines: PipelinesServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A gateway with everything behind it, and with a version in production."""
    folder = tmp_path_factory.mktemp("document")
    publish(make_classifier(folder / "made", 0), folder / NAME, 1)
    with ModelServer(folder, f"--model_name={NAME}", f"--model_base_path={folder / NAME}") as model:
        package = Path(compiled(tiny, folder))
        behind = {"model_address": f"127.0.0.1:{model.port}", "kfp_url": pipelines.url, "gateway_package": package}
        wanted = settings_for(folder / "home", embedded_store, **behind)
        store = connect(wanted)
        publish_facts(store, folder / "facts", ("a", "b", "c"), SIDE, "run-1")
        registry.promote(store, NAME, 1, by="test", why="first", over=None)
        yield create_app(wanted)


def test_no_request_made_from_the_document_gets_an_answer_that_it_does_not_name(app: Any) -> None:
    schema: Any = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    answers: Counter[int] = Counter()
    for operation in operations:
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            answers += _answers(operation, mode)
    assert len(operations) > 15
    assert {200, 202, 400, 401, 404, 422} <= set(answers), answers


def _answers(operation: Any, mode: GenerationMode) -> "Counter[int]":
    """How requests are answered, right or wrong ones as the mode says."""
    found: Counter[int] = Counter()
    named = {status for status in operation.definition.raw["responses"] if status != "default"}

    @settings(
        max_examples=DEAR.get(operation.path, EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(headers=BEARER)
        case.validate_response(response, checks=CHECKS)
        assert str(response.status_code) in named, (operation.label, response.status_code, response.text[:300])
        assert not re.search(r"Traceback|127\.0\.0\.1", response.text)
        found[response.status_code] += 1

    with contextlib.suppress(Unsatisfiable, SkipTest):  # there is nothing to be wrong about
        ask()
    return found
