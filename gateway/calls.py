"""A call of the API: its view, what it takes and answers as pydantic models, and who may make it.

    @blueprint.post("/v1/feedback")
    @call("Say what an image really shows", Stored, takes=Feedback, scope="data", refuses=(404,))
    def feedback() -> Stored: ...

What is declared here is what the OpenAPI document says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response, request
from pydantic import BaseModel, ValidationError

from binocular.errors import MediaTypeError, RequestError
from binocular.tokens import Scope
from gateway.journal import note
from gateway.limits import client_of
from gateway.services import services

M = TypeVar("M", bound=BaseModel)
View = Callable[..., Any]
DECLARED = "__call__declared__"
OK = 200
# How whoever may not make a call, or not so often, is refused.
TURNED_AWAY = (401, 403, 429)
READING = {"GET", "HEAD"}


@dataclass(frozen=True)
class Call:
    """What is declared of a call."""

    summary: str
    answers: type[BaseModel] | str  # a message, or the content type of what a Response holds
    takes: type[BaseModel] | None
    forms: dict[str, dict[str, Any]]  # other content types that it takes, each with its schema
    query: type[BaseModel] | None
    scope: Scope | None  # None: anybody may
    status: int
    refuses: tuple[int, ...]
    headers: Mapping[str, str]  # each with its meaning
    body_required: bool


def call(
    summary: str,
    answers: type[BaseModel] | str,
    *,
    takes: type[BaseModel] | None = None,
    forms: dict[str, dict[str, Any]] | None = None,
    query: type[BaseModel] | None = None,
    scope: Scope | None = None,
    status: int = OK,
    refuses: tuple[int, ...] = (),
    headers: Mapping[str, str] | None = None,
    body_required: bool = True,
) -> Callable[[View], View]:
    """Declare a view: who makes the request is checked before it, and what it returns is sent."""
    refuses = tuple(sorted({*refuses, *(TURNED_AWAY if scope else ())}))
    declared = Call(
        summary, answers, takes, forms or {}, query, scope, status, refuses, headers or {}, body_required
    )

    def declare(view: View) -> View:
        @wraps(view)
        def checked(*arguments: object, **named: object) -> Response:
            if scope:
                _let_in(scope)
            answer = view(*arguments, **named)
            if isinstance(answer, Response):
                return answer
            text = cast("BaseModel", answer).model_dump_json(exclude_none=True)
            return Response(f"{text}\n", status, mimetype="application/json")

        setattr(checked, DECLARED, declared)
        return checked

    return declare


def _let_in(scope: Scope) -> None:
    """Find out who makes the request, and whether they may, now."""
    here = services()
    caller = here.door.check(request, scope)
    note(**({"caller": caller.name} if caller.name else {}))
    client = caller.name or client_of(request.remote_addr or "")
    if request.method not in READING:
        here.limits.take("predict" if scope == "predict" else "write", client)


def json_body(model: type[M], *, optional: bool = False) -> M:
    """The request's JSON as a model; RequestError in one line where it is something else."""
    data = request.get_data(cache=True)
    if optional and not data:
        return model()
    if request.mimetype != "application/json":
        raise MediaTypeError(f"content type {request.mimetype or 'nothing'!r}: application/json was expected")
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise RequestError(_explain(error)) from None
    except RecursionError:
        raise RequestError("the JSON is nested too deeply") from None


def query(model: type[M]) -> M:
    """The parameters behind the '?'."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise RequestError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))[:100]
    return f"{where + ': ' if where else ''}{first['msg']}"
