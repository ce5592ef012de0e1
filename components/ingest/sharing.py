"""Examining a large source by several workers: each takes a share, and one puts what they saw together.

    share = Share(run, number=0, of=4)
    examine_share(chain(source.files(), look.contributions()), look, share, …)     # in each of four workers
    for seen in gathered(store, run, 4, scratch, places): ...                # in one, when all have ended

A file's share follows from its name, so that workers who list the source at different moments never take the same
file, nor leave one between them. A worker publishes its packs and a line a file; whoever was killed begins anew.
"""

import heapq
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from binocular.datasets import put_packs
from binocular.errors import NotFoundError
from binocular.publication import fetch, publish, read_manifest
from binocular.snapshot import PackWriter, Place, Snapshot, read_lines, write_lines
from binocular.store import Store
from components.ingest.contributed import Look
from components.ingest.examining import Facts, Known, Options, Seen, packed
from components.ingest.found import Found

SHARES = "shares"
LINES = "seen.jsonl.gz"
LOOKED = "looked.txt"


@dataclass(frozen=True)
class Share:
    """What one of several workers of a run takes."""

    run: str
    number: int  # from 0
    of: int

    @property
    def prefix(self) -> str:
        """Where what it saw is published."""
        return f"{folder_of(self.run)}/{self.number}-of-{self.of}"

    def takes(self, source: str) -> bool:
        """Whether a file is in it."""
        return zlib.crc32(source.encode(errors="surrogatepass")) % self.of == self.number


def folder_of(run: str) -> str:
    """Where a run's shares lie until they are put together."""
    return f"{SHARES}/{run}"


def is_examined(store: Store, share: Share) -> bool:
    """Whether a share is done already."""
    return read_manifest(store, share.prefix) is not None


def examine_share(
    found: Iterable[Found],
    look: Look,
    share: Share,
    store: Store,
    scratch: Path,
    previous: Snapshot | None,
    options: Options,
) -> int:
    """Examine the share of these files, publish what was seen, and say of how many files."""
    numbers: list[int] = []

    def mine() -> Iterator[Found]:
        for number, each in enumerate(found):
            if share.takes(each.source):
                numbers.append(number)
                yield each

    folder = scratch / "share"
    known = Known.of(previous)
    with PackWriter(folder) as packs:
        seen = list(packed(mine(), packs, known, options))
    put_packs(store, folder, sorted({place.pack for place in packs.places.values()}))
    lines = scratch / "lines"
    lines.mkdir()
    # Of known images too: when the shares come together, another run may have made another snapshot the latest.
    places = {**known.places, **packs.places}
    write_lines(
        lines / LINES,
        (
            {**asdict(each), "number": number, "place": asdict(places[each.sha256]) if each.facts else None}
            for number, each in zip(numbers, seen, strict=True)
        ),
    )
    (lines / LOOKED).write_text(look.began)
    publish(store, lines, share.prefix)
    return len(seen)


def gathered(store: Store, run: str, shares: int, scratch: Path, places: dict[str, Place]) -> Iterator[Seen]:
    """What all workers of a run saw, in the order of the source; `places` is told where images were packed."""
    with ExitStack() as stack:
        lines = [_lines(store, Share(run, number, shares), scratch / str(number)) for number in range(shares)]
        for each in lines:
            stack.callback(each.close)
        for line in heapq.merge(*lines, key=lambda line: line["number"]):
            del line["number"]
            place, facts = line.pop("place"), line.pop("facts")
            if place:
                # Of an image that two workers packed, one copy is enough.
                places.setdefault(line["sha256"], Place(**place))
            yield Seen(**line, facts=Facts(**facts) if facts else None)


def looked_of(scratch: Path, shares: int) -> str:
    """When the first of the workers whose shares were gathered began its look at what people sent."""
    return min((scratch / str(number) / LOOKED).read_text() for number in range(shares))


def _lines(store: Store, share: Share, folder: Path) -> Generator[dict[str, Any]]:
    try:
        fetch(store, share.prefix, folder)
    except NotFoundError:
        raise NotFoundError(
            f"share {share.number + 1} of {share.of} of run {share.run} was not examined: run the pipeline anew"
        ) from None
    yield from read_lines(folder / LINES)
