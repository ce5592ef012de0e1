"""What was decided about the candidates of runs. It is read once: what is decided stays decided."""

from binocular import registry
from binocular.registry import Decision
from binocular.store import Store

# A process that sees more than this starts over.
MOST = 500


class Decisions:
    """The decisions about the candidates of one model."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._known: dict[str, Decision] = {}

    def of(self, run_id: str) -> Decision | None:
        """The decision of a run; None while there is none."""
        known = self._known.get(run_id) or registry.decision(self._store, self._name, run_id)
        if known and run_id not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[run_id] = known
        return known
