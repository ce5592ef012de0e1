"""`python -m components.ingest SOURCE --out FOLDER`: run this step alone, without Kubeflow."""

import tempfile
from pathlib import Path

import click

from binocular import logs
from binocular.commands import run
from binocular.imaging import MOST_PIXELS
from binocular.settings import DOWNLOADS, load
from binocular.snapshot import Snapshot
from binocular.store import connect
from components.ingest.freezing import Options
from components.ingest.splits import Shares
from components.ingest.step import Source, ingest_dataset, ingest_folder
from components.ingest.trees import SCHEME


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make the snapshot in; it must not exist.")
@click.option("--dataset", help="Instead of --out: name of the dataset in the object store to add a snapshot to.")
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --out: the snapshot before; its images keep their side and their packs.",
)
@click.option("--sha256", default="", help="Checksum that SOURCE must have; needed where it is a URL.")
@click.option("--validation-share", default=Shares.validation, show_default=True)
@click.option("--test-share", default=Shares.test, show_default=True)
@click.option(
    "--near-duplicate-bits",
    type=int,
    default=Options.near_duplicate_bits,
    show_default=True,
    help="Perceptual hashes of 64 bits that differ in at most so many are near-duplicates; 0 to 64.",
)
@click.option("--most-pixels", default=MOST_PIXELS, show_default=True, help="An image with more is rejected.")
def ingest(
    source: str,
    out: Path | None,
    dataset: str | None,
    previous: Path | None,
    sha256: str,
    validation_share: float,
    test_share: float,
    near_duplicate_bits: int,
    most_pixels: int,
) -> None:
    """Freeze SOURCE into a snapshot.

    SOURCE is a folder of class folders, a .zip or .tar of one (a path, or a URL with --sha256), s3://bucket/prefix,
    a .csv or .jsonl file with path and label, or the name of a known dataset.
    """
    if (out is None) == (dataset is None):
        raise click.UsageError("name either --out FOLDER or --dataset NAME")
    settings = load()
    logs.configure(settings)
    options = Options(Shares(validation_share, test_share), near_duplicate_bits, most_pixels)
    if out is not None:
        store = connect(settings) if source.startswith(SCHEME) else None
        named = Source(source, sha256, settings.home / DOWNLOADS, store)
        _tell(ingest_folder(named, out, previous, options), str(out))
        return
    store = connect(settings)
    named = Source(source, sha256, settings.home / DOWNLOADS, store)
    with tempfile.TemporaryDirectory() as scratch:
        made = ingest_dataset(named, store, str(dataset), Path(scratch), options)
    _tell(made.snapshot, made.reference.prefix)


def _tell(frozen: Snapshot, place: str) -> None:
    """Say what came of it."""
    click.echo(f"snapshot {frozen.digest}: {len(frozen.rows)} images, {len(frozen.rejected)} files rejected")
    for split, counts in frozen.counts().items():
        click.echo(f"  {split:<11}{sum(counts.values()):>7}   " + ", ".join(f"{k} {v}" for k, v in counts.items()))
    for each in frozen.rejected[:10]:
        click.echo(f"  rejected {each.source}: {each.reason}")
    click.echo(place)


run(ingest, "ingest", program="python -m components.ingest")
