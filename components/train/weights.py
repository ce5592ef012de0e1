"""The weights a network starts from: by name, by path or by address, and where they are kept.

`imagenet` is downloaded by Keras once and then lies in the shelf, so that machines without internet have it too.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from binocular.download import SCHEMES, fetch
from binocular.errors import SettingError, WeightsError
from binocular.store import Store, file_sha256
from components.train.recipe import IMAGENET, Recipe
from components.train.shelf import Shelf

WEIGHTS = "weights"
SUFFIX = ".weights.h5"
MOST_BYTES = 2 << 30
S3 = "s3"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """Where weights may come from."""

    shelf: Shelf
    store: Store | None  # for s3://
    downloads: Path


def find(recipe: Recipe, name: str, download: Callable[[], Any], origin: Origin) -> Path:
    """The file of the weights that a recipe names; `download` makes the Keras model that has those of `imagenet`.

    `name` tells one network's ImageNet weights from another's.
    """
    if recipe.weights == IMAGENET:
        return _imagenet(f"{WEIGHTS}/{name}-{IMAGENET}{SUFFIX}", download, origin)
    scheme, _, rest = recipe.weights.partition("://")
    if rest and scheme.lower() in SCHEMES:
        return fetch(recipe.weights, recipe.weights_sha256, origin.downloads, MOST_BYTES)
    if rest and scheme.lower() == S3:
        bucket, _, key = rest.partition("/")
        return _from_store(bucket, key, origin)
    path = Path(recipe.weights).expanduser()
    if not path.is_file():
        raise SettingError(f"weights names {recipe.weights}, which is no file here and not '{IMAGENET}'")
    return path


def load(model: Any, path: Path) -> str:  # noqa: ANN401 - a Keras model, which has no types
    """Load weights into a network; their digest. WeightsError where they are another network's."""
    # Keras tells the format by the name, which an address or a checksum need not end in.
    with tempfile.TemporaryDirectory() as scratch:
        named = path
        if not path.name.endswith((SUFFIX, ".h5", ".keras")):
            named = Path(scratch, f"net{SUFFIX}")
            named.symlink_to(path.absolute())
        try:
            model.load_weights(named)
        except Exception as error:  # noqa: BLE001 - Keras raises anything on a file that does not fit
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"the weights {path} do not fit {model.name} (architecture, alpha): {reason}"
            ) from None
    return file_sha256(path)


def _imagenet(name: str, download: Callable[[], Any], origin: Origin) -> Path:
    kept = origin.shelf.fetch(name)
    if kept is not None:
        return kept
    log.info("downloading weights", extra={"weights": name})
    try:
        model = download()
    except Exception as error:  # noqa: BLE001 - urllib's and Keras's many ways to say no
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"the ImageNet weights could not be downloaded ({reason}): run once where there is internet, name a"
            f" file of them with weights=PATH, put one into the object store as {name}, or train from nothing with"
            " architecture=small_cnn"
        ) from None
    origin.downloads.mkdir(parents=True, exist_ok=True)
    path = origin.downloads / Path(name).name
    with tempfile.TemporaryDirectory(dir=origin.downloads) as scratch:  # another training may save the same
        draft = Path(scratch, path.name)
        model.save_weights(draft)
        draft.replace(path)
    origin.shelf.keep(name, path)
    return path


def _from_store(bucket: str, key: str, origin: Origin) -> Path:
    if origin.store is None or bucket != origin.store.endpoint.bucket:
        raise SettingError(
            f"weights names the bucket {bucket!r}; this step reaches"
            f" {origin.store.endpoint.bucket if origin.store else 'no store'}: copy the file there, or name a path"
        )
    path = origin.downloads / f"{hashlib.sha256(key.encode()).hexdigest()}{SUFFIX}"
    origin.store.get_file(key, path)
    return path
