"""The OpenAPI document, made from the calls as they are declared.

`python -m gateway.openapi` prints it; `make docs` keeps it in `docs/openapi.json`.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from binocular import tokens
from binocular.messages import Problem
from binocular.settings import Settings
from gateway.calls import DECLARED, Call
from gateway.problems import CONTENT_TYPE

VERSION = "3.1.0"
JSON = "application/json"
REF = "#/components/schemas/{model}"
METHODS = ("GET", "POST", "PUT", "DELETE")
MEANINGS = {
    400: "The request is wrong; it says what was expected.",
    401: "The token is missing or wrong.",
    403: "The token is right and not for this call; it says which scope is.",
    404: "What was asked for is not there.",
    409: "Something else is in the way.",
    413: "More than is taken.",
    415: "A content type that is not taken.",
    422: "The image cannot be read.",
    429: "More requests than this client may make; Retry-After says when to ask again.",
    502: "Something behind the gateway answers wrongly.",
    503: "Something behind the gateway does not answer; Retry-After says when to ask again.",
    507: "The store is full.",
}
SCOPED = "A token has scopes. " + " ".join(f"`{scope}`: {meaning}." for scope, meaning in tokens.MEANINGS.items())
_PLACE = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
Json = dict[str, Any]


@dataclass(frozen=True)
class Declared:
    """A call with where it is."""

    rule: str
    method: str
    subject: str
    name: str
    says: str
    call: Call


def document(app: Flask) -> Json:
    """The API of an application."""
    calls = list(_declared(app))
    schemas = _schemas([each.call for each in calls])
    paths: dict[str, Json] = {}
    for each in calls:
        paths.setdefault(_PLACE.sub(r"{\g<name>}", each.rule), {})[each.method] = _operation(each)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Binocular",
            "version": importlib.metadata.version("binocular"),
            "description": "A classifier that people can trust: predictions, corrections, trainings, versions.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": SCOPED}},
        },
    }


def text(app: Flask) -> str:
    """The document as it is served and kept."""
    return json.dumps(document(app), indent=1, ensure_ascii=False) + "\n"


def _declared(app: Flask) -> Iterator[Declared]:
    """Every call that is declared, by path."""
    rules: list[Rule] = sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    for rule in rules:
        view = app.view_functions[rule.endpoint]
        if call := getattr(view, DECLARED, None):
            for method in sorted(set(rule.methods or ()) & set(METHODS)):
                says = " ".join((view.__doc__ or "").split())
                subject, _, name = rule.endpoint.rpartition(".")
                yield Declared(rule.rule, method.lower(), subject, name, says, call)


def _schemas(calls: list[Call]) -> Json:
    """The schemas of everything that is sent, by name."""
    sent = {each for call in calls for each in (call.answers, call.takes)}
    models = {each for each in sent if isinstance(each, type)} | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema(
        [(model, "validation") for model in ordered],
        ref_template=REF,
    )
    schemas: Json = found["$defs"]
    return dict(sorted(schemas.items()))


def _operation(declared: Declared) -> Json:
    call = declared.call
    operation: Json = {
        "tags": [declared.subject],
        "operationId": declared.name,
        "summary": call.summary,
        "description": declared.says,
    }
    if parameters := [*_of_path(declared.rule), *_of_query(call), *_of_headers(call)]:
        operation["parameters"] = parameters
    if contents := {**_forms(call), **({JSON: _reference(call.takes)} if call.takes else {})}:
        operation["requestBody"] = {"content": contents, "required": call.body_required}
    operation["responses"] = {
        str(call.status): _answer(call),
        **{str(status): _problem(MEANINGS[status]) for status in call.refuses},
        "default": _problem("Anything else, as a problem."),
    }
    if call.scope:
        # Whether strangers may ask for predictions is for the settings to say.
        operation["security"] = [*([{}] if call.scope == "predict" else []), {"token": [call.scope]}]
    return operation


def _answer(call: Call) -> Json:
    if isinstance(call.answers, str):
        schema = {"type": "string"} if call.answers.startswith("text/") else {"type": "string", "format": "binary"}
        return {"description": call.summary, "content": {call.answers: {"schema": schema}}}
    return {"description": _first(call.answers), "content": {JSON: _reference(call.answers)}}


def _of_path(rule: str) -> Iterator[Json]:
    for place in _PLACE.finditer(rule):
        kind = "integer" if place["kind"] == "int" else "string"
        yield {"name": place["name"], "in": "path", "required": True, "schema": {"type": kind}}


def _of_query(call: Call) -> Iterator[Json]:
    if call.query:
        for name, schema in call.query.model_json_schema()["properties"].items():
            yield {"name": name, "in": "query", "schema": schema}


def _of_headers(call: Call) -> Iterator[Json]:
    for name, meaning in call.headers.items():
        yield {"name": name, "in": "header", "description": meaning, "schema": {"type": "string"}}


def _forms(call: Call) -> Mapping[str, Json]:
    return {kind: {"schema": schema} for kind, schema in call.forms.items()}


def _problem(meaning: str) -> Json:
    return {"description": meaning, "content": {CONTENT_TYPE: _reference(Problem)}}


def _reference(model: type[BaseModel]) -> Json:
    return {"schema": {"$ref": REF.format(model=model.__name__)}}


def _first(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


if __name__ == "__main__":
    from gateway import create_app

    print(text(create_app(Settings())), end="")
