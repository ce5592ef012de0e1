"""The ways to a pipelines API: kfp's client, and the small part of it that asks.

    asking = Asking(settings)        # 2 MB: lists, follows and ends runs, in whatever process
    client = whole_client(settings)  # kfp's own, with its compiler: 40 MB and a second and a half; starts runs

Both are told the same of a cluster: where it is, who signed its certificate, the token of this pod and the
namespace of its user. Kubernetes renews a token's file, so it is read for each request.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import urllib3

from binocular.errors import SettingError
from binocular.parts import pipelines_url
from binocular.settings import Settings, variable

Theirs = Any  # an object of kfp's client, which has no types

AUTHORIZATION = "authorization"


class Asking:
    """What kfp's client does of asking, by the same names: its own generated calls, without the rest of it."""

    def __init__(self, settings: Settings) -> None:
        import kfp_server_api as api  # noqa: PLC0415 - takes a moment, and only some verbs need it

        configuration = api.Configuration()
        configuration.host = pipelines_url(settings)
        if settings.kfp_ca_file:
            configuration.ssl_ca_cert = str(settings.kfp_ca_file)
        if settings.kfp_token_file:
            configuration.api_key[AUTHORIZATION] = ""
            configuration.api_key_prefix[AUTHORIZATION] = "Bearer"
            configuration.refresh_api_key_hook = Token(settings).refresh_api_key_hook
        client = api.ApiClient(configuration)
        impatiently(client, settings.kfp_timeout_s)
        self._namespace = {"namespace": settings.kfp_namespace} if settings.kfp_namespace else {}
        self._runs = api.RunServiceApi(client)
        self._recurring = api.RecurringRunServiceApi(client)
        self._pipelines = api.PipelineServiceApi(client)

    def get_run(self, run_id: str) -> Theirs:
        """A run."""
        return self._runs.run_service_get_run(run_id=run_id)

    def list_runs(self, **how: object) -> Theirs:
        """A page of runs."""
        return self._runs.run_service_list_runs(**self._namespace, **how)

    def terminate_run(self, run_id: str) -> Theirs:
        """End a run."""
        return self._runs.run_service_terminate_run(run_id=run_id)

    def get_pipeline_version(self, pipeline_id: str, pipeline_version_id: str) -> Theirs:
        """A version of an uploaded pipeline."""
        return self._pipelines.pipeline_service_get_pipeline_version(
            pipeline_id=pipeline_id, pipeline_version_id=pipeline_version_id
        )

    def list_recurring_runs(self, **how: object) -> Theirs:
        """A page of recurring runs."""
        return self._recurring.recurring_run_service_list_recurring_runs(**self._namespace, **how)

    def delete_recurring_run(self, recurring_run_id: str) -> Theirs:
        """End a recurring run; runs that it made stay."""
        return self._recurring.recurring_run_service_delete_recurring_run(recurring_run_id=recurring_run_id)


class Token:
    """The token in a file, as kfp's configuration asks for it."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.kfp_token_file

    def refresh_api_key_hook(self, configuration: Theirs) -> None:
        """Put the present token into a configuration."""
        assert self._path is not None  # noqa: S101 - for mypy: made only where there is one
        try:
            configuration.api_key[AUTHORIZATION] = self._path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingError(f"{variable('kfp_token_file')}: {self._path}: {error.strerror}") from None


def whole_client(settings: Settings) -> Theirs:
    """kfp's own client, which also starts runs."""
    import kfp  # noqa: PLC0415 - see above

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it announces itself with one
        client = kfp.Client(
            host=pipelines_url(settings),
            ssl_ca_cert=str(settings.kfp_ca_file) if settings.kfp_ca_file else None,
            credentials=Token(settings) if settings.kfp_token_file else None,
            **({"namespace": settings.kfp_namespace} if settings.kfp_namespace else {}),
        )
    impatiently(client._run_api.api_client, settings.kfp_timeout_s)  # noqa: SLF001
    return client


def impatiently(api_client: Theirs, timeout_s: float) -> None:
    """Give each request of a client a time-out, and one try: whoever asked decides whether to ask again.

    Its calls know no time-out, and a server that takes a request and says nothing would hold us for ever.
    """
    pool = api_client.rest_client.pool_manager
    pool.request = partial(_request, pool.request, timeout_s)


def _request(send: Callable[..., Theirs], timeout_s: float, *what: object, **how: Theirs) -> Theirs:
    try:
        return send(*what, **{**how, "timeout": timeout_s, "retries": False})
    except urllib3.exceptions.SSLError as error:  # which the client itself stumbles over
        raise ConnectionError(str(error)) from None
