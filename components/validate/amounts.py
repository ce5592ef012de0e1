"""How much there is: files that can be read, images of each class on each side, and how even they are."""

from collections import Counter
from collections.abc import Mapping, Sequence

from binocular.quarantine import RowKey, key
from binocular.report.words import counted, named, percent
from binocular.snapshot import SPLITS, Rejected, Row, Snapshot
from components.validate.findings import Checked, finding, rejected_case
from components.validate.thresholds import Thresholds

# A classifier tells at least two things apart.
LEAST_CLASSES = 2
# A message about counts names this many.
MOST_CLASSES_NAMED = 12

Counts = dict[str, dict[str, int]]


def unreadable(snapshot: Snapshot, thresholds: Thresholds) -> Checked:
    """Files that are no images, or damaged ones."""
    rejected = snapshot.rejected
    if not rejected:
        return Checked()
    share = len(rejected) / (len(rejected) + sum(row.found for row in snapshot.rows))
    hard = share > thresholds.unreadable_share
    message = (
        f"{counted(len(rejected), 'file')} ({percent(share)}) cannot be read as images: "
        f"{named(f'{each.source} ({each.reason})' for each in rejected)}. "
    ) + (
        f"At most {percent(thresholds.unreadable_share)} may be: repair or delete them, "
        "or raise thresholds.unreadable_share."
        if hard
        else f"They are left out ({percent(thresholds.unreadable_share)} are tolerated)."
    )
    cases = [rejected_case(each) for each in rejected]
    return Checked([finding("unreadable", "hard" if hard else "soft", message, cases, len(rejected))])


def used(rows: Sequence[Row], classes: Sequence[str], quarantined: Mapping[RowKey, str]) -> Counts:
    """How many images each side has of each class once the quarantined ones are left out."""
    found = Counter((row.split, row.label) for row in rows if key(row) not in quarantined)
    return {split: {label: found[split, label] for label in classes} for split in SPLITS}


def enough(snapshot: Snapshot, quarantined: Mapping[RowKey, str], thresholds: Thresholds) -> Checked:
    """Whether every class can be learnt, tuned and tested with what is not left out."""
    checked = Checked()
    if len(snapshot.classes) < LEAST_CLASSES:
        message = (
            f"{counted(len(snapshot.classes), 'class', 'classes')} ({named(snapshot.classes)}); a classifier "
            f"needs {LEAST_CLASSES} or more: add a folder of photos of each other class."
        )
        checked.findings.append(finding("classes", "hard", message))
    missing = [*_without_images(snapshot.rejected, snapshot), *_too_few(snapshot, quarantined, thresholds)]
    if missing:
        message = f"{named(missing, MOST_CLASSES_NAMED, '; ')}. Add photos, or delete or merge the classes."
        checked.findings.append(finding("class_counts", "hard", message))
    return checked


def _without_images(rejected: Sequence[Rejected], snapshot: Snapshot) -> list[str]:
    """Classes that nobody would miss because none of their files is an image."""
    known = {"", *snapshot.classes}
    files = Counter(each.label for each in rejected if each.label not in known)
    return [
        f"class {label} has no images: its {counted(number, 'file')} cannot be read"
        for label, number in sorted(files.items())
    ]


def _too_few(snapshot: Snapshot, quarantined: Mapping[RowKey, str], thresholds: Thresholds) -> list[str]:
    counts = used(snapshot.rows, snapshot.classes, quarantined)
    left_out = Counter((split, label) for _, label, split in quarantined)
    missing = []
    for label in snapshot.classes:
        for split in SPLITS:
            least = thresholds.least_images_per_class if split == "train" else 1
            number = counts[split][label]
            if number < least:
                aside = left_out[split, label]
                has = f"class {label} has {counted(number, f'{split} image')}"
                missing.append(
                    f"{has} and needs {least}: {least - number} missing"
                    + (f" ({aside} left out)" if aside else "")
                )
    return missing


def balance(snapshot: Snapshot, quarantined: Mapping[RowKey, str], thresholds: Thresholds) -> Checked:
    """Whether a class drowns another in training."""
    train = used(snapshot.rows, snapshot.classes, quarantined)["train"]
    present = {label: number for label, number in train.items() if number}
    if not present:
        return Checked()
    largest, smallest = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    ratio = present[largest] / present[smallest]
    if ratio <= thresholds.most_imbalance:
        return Checked()
    message = (
        f"{largest} has {counted(present[largest], 'training image')}, {smallest} has {present[smallest]:,}: "
        f"{ratio:.3g} times as many, more than {thresholds.most_imbalance:g}. Add photos of {smallest}, "
        "or train with class weights."
    )
    return Checked([finding("imbalance", "soft", message)])
