"""Measuring the images of a large snapshot by several workers: each takes some of the packs.

    measure_share(store, reference, number, 4, scratch)            # in each of four workers
    measured = gathered(store, reference, frozen, 4, scratch)      # in one, when all have ended

What was measured lies beside no run but under the snapshot, which never changes: a run that may skip the measuring
finds it there.
"""

from contextlib import suppress
from pathlib import Path

from binocular.datasets import Reference, fetch_packs, fetch_snapshot
from binocular.errors import NotFoundError
from binocular.snapshot import Snapshot, read_lines, write_lines
from binocular.store import Store
from components.validate.pixels import Measures, measure

MEASURES = "measures"


def measure_share(store: Store, reference: Reference, number: int, of: int, scratch: Path) -> int:
    """Measure the images of a share of the packs, keep the measures, and say how many images that were."""
    folder = scratch / "snapshot"
    frozen = fetch_snapshot(store, reference, folder, packs=False)
    mine = set(frozen.packs[number::of])
    fetch_packs(store, folder, sorted(mine))
    rows = {row.sha256: row for row in frozen.rows if row.place.pack in mine}
    lines = ({"sha256": digest, "values": values} for digest, values in measure(list(rows.values()), folder))
    path = scratch / "measures.jsonl.gz"
    write_lines(path, lines)
    store.put_file(_key(reference, number, of), path)
    return len(rows)


def gathered(store: Store, reference: Reference, frozen: Snapshot, shares: int, scratch: Path) -> Measures:
    """What all workers measured; NotFoundError where an image was not."""
    found: Measures = {}
    for number in range(shares):
        path = scratch / f"measures-{number}.jsonl.gz"
        # What is missing is told below.
        with suppress(NotFoundError):
            store.get_file(_key(reference, number, shares), path)
            found.update((str(line["sha256"]), tuple(line["values"])) for line in read_lines(path))  # type: ignore[arg-type]
    if missing := {row.sha256 for row in frozen.rows} - set(found):
        raise NotFoundError(
            f"of {len(missing)} images the store does not hold what was measured: run the pipeline again, with"
            " --no-cache, so that no step relies on what it did before"
        )
    return found


def _key(reference: Reference, number: int, of: int) -> str:
    return f"{MEASURES}/{reference.prefix}/{number}-of-{of}.jsonl.gz"
