"""The gateway: the REST API that people and programs use, as a Flask application.

    app = create_app(load())

One blueprint a subject; what they share is in `services.py`. It speaks S3 to the store, Kubeflow's API to the
pipelines and TensorFlow Serving's gRPC to the model, and nothing else to anybody.
"""

from typing import cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from binocular.settings import Settings

MB = 1_000_000
# Parts of a form beside its files; one that has more is none of ours.
OTHER_PARTS = 100


def create_app(settings: Settings) -> Flask:
    """The application; it asks nobody anything before the first request."""
    # Here, because `python -m gateway` says where metrics are kept before the metrics are imported.
    from gateway import (  # noqa: PLC0415
        contributed,
        data,
        documentation,
        downloads,
        evidence,
        health,
        journal,
        models,
        pages,
        pipeline,
        predictions,
        problems,
        runs,
        services,
        session,
        status,
        windows,
    )

    app = Flask("gateway", static_folder=None)
    cast("DefaultJSONProvider", app.json).sort_keys = False  # the most probable class comes first
    app.config.update(
        MAX_CONTENT_LENGTH=settings.gateway_body_mb * MB,
        MAX_FORM_MEMORY_SIZE=MB,
        MAX_FORM_PARTS=data.MOST_FILES + OTHER_PARTS,
    )
    if hops := settings.gateway_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    services.init_app(app, settings)
    journal.init_app(app)
    problems.init_app(app)
    trainings, versions, people = (runs, evidence, pipeline), (models, downloads), (session, documentation, pages)
    for subject in (health, predictions, data, contributed, *trainings, *versions, status, windows, *people):
        app.register_blueprint(subject.blueprint)
    return app
