"""What a new cluster lacks, made by two jobs: keys, and the bucket that they open.

    python -m binocular.bootstrap secrets --copy-to kubeflow
    python -m binocular.bootstrap bucket

Both may run as often as one likes. Keys that are there stay, so those of another store are put in place first; the
copy for the namespace of the pipeline's steps follows the original, so that a changed key reaches them by running
the job again.
"""

import argparse
import logging
import secrets
import sys

from binocular import logs
from binocular.errors import EXIT_FAILED, BinocularError, of_this_machine
from binocular.kubernetes import Cluster, Secret
from binocular.settings import load
from binocular.store import connect

STORE, GATEWAY = "binocular-store", "binocular-gateway"
# S3 takes up to 20 characters as an access key; MinIO asks for 8 and 8 at least.
ACCESS_KEY_BYTES, SECRET_KEY_BYTES = 10, 30

log = logging.getLogger("binocular.bootstrap")


def make_secrets(cluster: Cluster, copy_to: list[str], *, keys_given: bool = False) -> None:
    """Make the keys of the store and the gateway's token unless they are there; copy the keys for the steps.

    With `keys_given` those of the store are somebody's: where they are missing, that is an error.
    """
    namespace = cluster.namespace
    if keys_given:
        store, made = cluster.secret(namespace, STORE), False
    else:
        store, made = cluster.ensure(Secret(namespace, STORE, _new_keys()))
    log.info("secret", extra={"secret": STORE, "namespace": namespace, "made": made})
    _, made = cluster.ensure(Secret(namespace, GATEWAY, {"token": secrets.token_urlsafe(SECRET_KEY_BYTES)}))
    log.info("secret", extra={"secret": GATEWAY, "namespace": namespace, "made": made})
    for other in copy_to:
        log.info("secret", extra={"secret": STORE, "namespace": other, "written": cluster.copy(store, other)})


def _new_keys() -> dict[str, str]:
    return {
        "access_key": secrets.token_hex(ACCESS_KEY_BYTES),
        "secret_key": secrets.token_urlsafe(SECRET_KEY_BYTES),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m binocular.bootstrap", description=__doc__.partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("secrets", help="Make the Secrets that are missing.")
    making.add_argument("--copy-to", action="append", default=[], help="A namespace where steps run; repeatable.")
    making.add_argument("--keys-given", action="store_true", help="The store's keys are put in place by somebody.")
    verbs.add_parser("bucket", help="Make the store's bucket unless it is there.")
    return parser.parse_args()


def main() -> int:
    """Do one of the two; the exit code."""
    arguments = _arguments()
    try:
        settings = load()
        logs.configure(settings)
        if arguments.verb == "bucket":
            log.info("bucket", extra={"bucket": settings.store_bucket, "made": connect(settings).ensure_bucket()})
        else:
            make_secrets(Cluster.of_this_pod(), arguments.copy_to, keys_given=arguments.keys_given)
    except BinocularError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"bootstrap: {of_this_machine(error)}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
