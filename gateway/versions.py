"""The facts about versions of the model, from their bundles. A version never changes, so each is read once."""

from binocular import registry
from binocular.bundle import Bundle
from binocular.errors import ModelAnswerError, NotFoundError
from binocular.publication import Manifest, read_manifest
from binocular.store import Store

# A process that sees more versions than this starts over.
MOST = 100


class Versions:
    """The facts about each version of one model. Threads may share it."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._known: dict[int, Bundle] = {}
        self._manifests: dict[int, Manifest] = {}

    def of(self, version: int) -> Bundle:
        """The facts about a version that answered; ModelAnswerError where it is none of the store's."""
        try:
            return self.published(version)
        except NotFoundError as error:
            raise ModelAnswerError(f"the model server answers with a version that is not ours: {error}") from None

    def published(self, version: int) -> Bundle:
        """The facts about a version; NotFoundError where there is none."""
        found = self._known.get(version)
        if found is None:
            found = registry.facts(self._store, self._name, version)
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[version] = found
        return found

    def manifest(self, version: int) -> Manifest:
        """The files of a version; NotFoundError where there is none."""
        found = self._manifests.get(version)
        if found is None:
            found = read_manifest(self._store, registry.prefix(self._name, version))
            if found is None:
                raise NotFoundError(f"there is no version {version} of {self._name}")
            if len(self._manifests) >= MOST:
                self._manifests.clear()
            self._manifests[version] = found
        return found

    def key(self, version: int, path: str) -> str:
        """The key of a file of a version."""
        return f"{registry.prefix(self._name, version)}/{self.manifest(version).digest}/{path}"

    def current(self) -> tuple[int, Bundle] | None:
        """The version that the registry has in production, with the facts about it."""
        present = registry.production(self._store, self._name)
        return (present.version, self.published(present.version)) if present else None
