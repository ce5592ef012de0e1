"""`/v1/predict` and `/v1/predict/batch`."""

import base64
import time
from typing import Literal

from flask import Blueprint

from binocular.errors import BinocularError
from binocular.messages import (
    Batch,
    BatchItem,
    Explanation,
    ImageBody,
    Latency,
    ModelVersion,
    OneOptions,
    Options,
    Prediction,
    Problem,
)
from gateway import intake, metrics
from gateway.calls import call, query
from gateway.classifier import Classified
from gateway.decoding import decode
from gateway.journal import note
from gateway.keeper import Kept
from gateway.problems import problem
from gateway.services import services

blueprint = Blueprint("predictions", __name__)

UNKNOWN = "unknown"
# Of versions that do not say from which confidence on they are sure.
SURE_FROM = 0.5
BINARY = {"type": "string", "format": "binary"}
ONE_FILE = {"type": "object", "required": ["file"], "properties": {"file": BINARY}}
FILES = {"type": "object", "required": ["files"], "properties": {"files": {"type": "array", "items": BINARY}}}


@blueprint.post("/v1/predict")
@call(
    "Say what an image shows",
    Prediction,
    takes=ImageBody,
    forms={"multipart/form-data": ONE_FILE, "image/*": BINARY, "application/octet-stream": BINARY},
    query=OneOptions,
    scope="predict",
    refuses=(400, 413, 415, 422, 502, 503),
)
def predict() -> Prediction:
    """One image: a form's `file`, the body itself, or JSON with `url` or base64 in `image`."""
    began = time.perf_counter()
    options = query(OneOptions)
    services().line.check()
    data = intake.one_image()
    metrics.BATCH.observe(1)
    item = _predicted([("", data)], options, began)[0]
    if isinstance(item, BinocularError):
        raise item
    note(label=item.label, version=item.model.version)
    return _explained(item, data, began) if options.explain else item


@blueprint.post("/v1/predict/batch")
@call(
    "Say what several images show",
    Batch,
    forms={"multipart/form-data": FILES, "application/zip": BINARY},
    query=Options,
    scope="predict",
    refuses=(400, 413, 415, 422, 502, 503),
)
def predict_batch() -> Batch:
    """Many images: a form's `files`, or one zip. Each is a prediction or an error of its own, in order."""
    began = time.perf_counter()
    options = query(Options)
    services().line.check()
    images = intake.several_images(services().settings.gateway_batch_images)
    metrics.BATCH.observe(len(images))
    note(images=len(images))
    found = _predicted(images, options, began)
    return Batch(
        predictions=[
            BatchItem(file=name, error=Problem.model_validate(problem(each)))
            if isinstance(each, BinocularError)
            else BatchItem(file=name, prediction=each)
            for (name, _), each in zip(images, found, strict=True)
        ]
    )


def _predicted(
    images: list[tuple[str, bytes]], options: Options, began: float
) -> list[Prediction | BinocularError]:
    """Ask about images, and keep those that there is an answer about."""
    here = services()
    datas = [data for _, data in images]
    with here.line.turn():
        outcomes = list(here.classifier.classify(datas))
    answered = [data for data, each in zip(datas, outcomes, strict=True) if isinstance(each, Classified)]
    kept = iter(here.keeper.keep(answered))
    answers: list[Prediction | BinocularError] = []
    for outcome in outcomes:
        if isinstance(outcome, Classified):
            answers.append(_prediction(next(kept), outcome, options, began))
        else:
            metrics.of(metrics.REFUSED, outcome.code).inc()
            answers.append(outcome)
    return answers


def _explained(answer: Prediction, data: bytes, began: float) -> Prediction:
    """The answer with what it rests on."""
    here, asked = services(), time.perf_counter()
    facts = here.versions.of(answer.model.version)
    probabilities = tuple(answer.probabilities.get(each, 0.0) for each in facts.classes)
    found = Classified(facts.classes, probabilities, answer.model.version, 0, 0)
    with here.explainers_line.turn():
        pixels = decode(data, facts.height, facts.width, here.most_pixels)
        map_ = here.explainer.explain(pixels, found)
    took = time.perf_counter() - asked
    metrics.of(metrics.PHASES, "explain").observe(took)
    return answer.model_copy(
        update={
            "explanation": Explanation(
                png=base64.b64encode(map_.png).decode(),
                width=map_.width,
                height=map_.height,
                fall=round(map_.fall, 4),
            ),
            "latency_ms": answer.latency_ms.model_copy(
                update={"explain": _ms(took), "total": _ms(time.perf_counter() - began)}
            ),
        }
    )


def _prediction(kept: Kept, found: Classified, options: Options, began: float) -> Prediction:
    settings = services().settings
    ranked = sorted(zip(found.classes, found.probabilities, strict=True), key=lambda pair: -pair[1])
    best, confidence = ranked[0]
    doubt = _doubt(found, confidence)
    label = UNKNOWN if doubt else best
    metrics.of(metrics.LABELS, label, found.version).inc()
    if doubt:
        metrics.of(metrics.DOUBTS, doubt, found.version).inc()
    metrics.CONFIDENCE.observe(confidence)
    return Prediction(
        id=kept.prediction,
        label=label,
        best_guess=best,
        confidence=confidence,
        doubt=doubt,
        probabilities=dict(ranked[: options.top_k]),
        model=ModelVersion(name=settings.model_name, version=found.version),
        latency_ms=Latency(
            decode=_ms(found.decode_s), predict=_ms(found.predict_s), total=_ms(time.perf_counter() - began)
        ),
        kept=kept.is_kept,
    )


def _doubt(found: Classified, confidence: float) -> Literal["unfamiliar", "unsure"] | None:
    """Why an answer is not given: the image is like nothing that was learnt from, or like several classes."""
    here = services()
    if here.settings.gateway_confidence is not None:
        return "unsure" if confidence < here.settings.gateway_confidence else None
    facts = here.versions.of(found.version)
    familiar_from, familiarity = facts.familiar_from, found.familiarity
    if familiar_from is not None and familiarity is not None and familiarity < familiar_from:
        return "unfamiliar"
    return "unsure" if confidence < (SURE_FROM if facts.sure_from is None else facts.sure_from) else None


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
