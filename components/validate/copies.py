"""Images that are there more than once: duplicates, one image under two labels, one image on two sides.

Each check is a function of rows. A row is an image under one label on one side; files that agree in all three
are one row already, so duplicates cost nothing. What contradicts (two labels) or flatters (two sides) is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from binocular.quarantine import RowKey, key
from binocular.report.words import counted, named, percent
from binocular.snapshot import Row
from components.validate.findings import Case, Checked, case, finding
from components.validate.thresholds import Thresholds

_BETTER_SIDE = {"train": 0, "validation": 1, "test": 2}


def duplicates(rows: Sequence[Row]) -> Checked:
    """The same image several times under one label."""
    cases = []
    copies = 0
    for same in _grouped(rows, lambda row: (row.sha256, row.label)):
        found = sum(row.found for row in same)
        if found > 1:
            copies += found - 1
            cases.append(case(same, f"found {found} times: {named(_files(same))}"))
    if not cases:
        return Checked()
    message = (
        f"{counted(len(cases), 'image')} found more than once under the same label "
        f"({counted(copies, 'copy', 'copies')}): {_named(cases)}. Each counts once on a side; nothing is lost."
    )
    return Checked([finding("duplicates", "soft", message, cases)])


def near_duplicates(rows: Sequence[Row]) -> Checked:
    """Images that differ in their bytes and look alike."""
    groups = [same for same in _grouped(rows, lambda row: row.group) if len({row.sha256 for row in same}) > 1]
    if not groups:
        return Checked()
    cases = [
        case(_nearest_first(same), f"{len({row.sha256 for row in same})} images that look alike")
        for same in groups
    ]
    images = len({row.sha256 for same in groups for row in same})
    message = (
        f"{counted(images, 'image')} in {counted(len(groups), 'group')} that look alike: {_named(cases)}. "
        "They stay; a group says less than as many different photos would."
    )
    return Checked([finding("near_duplicates", "soft", message, cases)])


def label_conflicts(rows: Sequence[Row], thresholds: Thresholds) -> Checked:
    """The same image under several labels: nobody can tell which is right, so none is used."""
    conflicts = [same for same in _grouped(rows, lambda row: row.sha256) if len({row.label for row in same}) > 1]
    if not conflicts:
        return Checked()
    quarantined: dict[RowKey, str] = {}
    cases = []
    for same in conflicts:
        labels = " and ".join(sorted({row.label for row in same}))
        cases.append(case(same, f"one image, labelled {labels}"))
        quarantined.update({key(row): f"the same image is labelled {labels}" for row in same})
    share = len(conflicts) / len({row.sha256 for row in rows})
    hard = share > thresholds.label_conflict_share
    allowed = percent(thresholds.label_conflict_share)
    message = (
        f"{counted(len(conflicts), 'image')} ({percent(share)}) under several labels: "
        f"{named(' and '.join(map(_labelled, same)) for same in conflicts)}. "
        + (
            f"At most {allowed} may be: keep each image under its right label only, "
            "or raise thresholds.label_conflict_share."
            if hard
            else f"All are left out ({allowed} are tolerated): keep each under its right label only."
        )
    )
    found = finding("label_conflicts", "hard" if hard else "soft", message, cases, len(quarantined))
    return Checked([found], quarantined)


def near_label_conflicts(rows: Sequence[Row], known: Iterable[RowKey]) -> Checked:
    """Near-duplicates under several labels, those aside that are known to be the very same image."""
    identical = {sha256 for sha256, _, _ in known}
    groups = _grouped((row for row in rows if row.sha256 not in identical), lambda row: row.group)
    groups = [same for same in groups if len({row.label for row in same}) > 1]
    if not groups:
        return Checked()
    cases = [
        case(_one_a_label_first(same), f"look alike, labelled {named(sorted({row.label for row in same}))}")
        for same in groups
    ]
    message = (
        f"{counted(len(groups), 'group')} of images that look alike under several labels: {_named(cases)}. "
        "They stay; look at them, one of the labels may be wrong."
    )
    return Checked([finding("near_label_conflicts", "soft", message, cases)])


def leakage(rows: Sequence[Row], thresholds: Thresholds) -> Checked:
    """The same image, or one that looks alike, on several sides: the test copy stays, the others are left out."""
    cases = []
    quarantined: dict[RowKey, str] = {}
    leaked = 0
    # Identical images have the same perceptual hash, so a group holds them too.
    for same in _grouped(rows, lambda row: row.group if thresholds.near_leaks else row.sha256):
        stays = max((row.split for row in same), key=_BETTER_SIDE.__getitem__)
        leaving = [row for row in same if row.split != stays]
        if not leaving:
            continue
        kept = [row for row in same if row.split == stays]
        leaked += len({row.sha256 for row in kept}) if stays == "test" else 0
        alike = "the same image" if len({row.sha256 for row in same}) == 1 else "images that look alike"
        cases.append(case(_pair_first(leaving, kept), f"{alike}, in {_sides(leaving)} and in {stays}"))
        quarantined.update({key(row): f"also on the {stays} side: {kept[0].sources[0]}" for row in leaving})
    if not cases:
        return Checked()
    test = len({row.sha256 for row in rows if row.split == "test"})
    share = leaked / test if test else 0.0
    hard = share > thresholds.leakage_share
    message = _leakage_message(cases, leaked, share, len(quarantined), thresholds, hard=hard)
    found = finding("leakage", "hard" if hard else "soft", message, cases, len(quarantined))
    return Checked([found], quarantined)


def _leakage_message(
    cases: Sequence[Case], leaked: int, share: float, leaving: int, thresholds: Thresholds, *, hard: bool
) -> str:
    allowed = percent(thresholds.leakage_share)
    advice = (
        f"At most {allowed} may be: split the photos anew, or raise thresholds.leakage_share, or count only "
        "identical images: thresholds.near_leaks=false."
        if hard
        else "The test copy stays, the other is left out."
    )
    left_out = f"{counted(leaving, 'copy', 'copies')} left out: {_named(cases)}"
    if not leaked:
        return f"Images in training and in validation; {left_out}. The validation copy stays."
    return (
        f"{counted(leaked, 'test image')} ({percent(share)}) also in training or validation; {left_out}. {advice}"
    )


def _grouped(rows: Iterable[Row], by: Callable[[Row], object]) -> list[list[Row]]:
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        groups[by(row)].append(row)
    return list(groups.values())


def _one_a_label_first(rows: Sequence[Row]) -> list[Row]:
    """What is seen first shows the contradiction: of each other label, the image nearest to the first one."""
    others = {row.label: row for row in sorted(rows, key=lambda row: -_apart(rows[0], row))}
    first = [rows[0], *(row for label, row in others.items() if label != rows[0].label)]
    return first + [row for row in rows if row not in first]


def _nearest_first(rows: Sequence[Row]) -> list[Row]:
    """What is seen first looks alike most; a large group is a chain whose ends may differ."""
    return sorted(rows, key=lambda row: _apart(rows[0], row))


def _pair_first(leaving: Sequence[Row], kept: Sequence[Row]) -> list[Row]:
    """What is seen first shows the leak: an image of one side and the nearest of the other."""
    nearest = min(kept, key=lambda row: _apart(leaving[0], row))
    return [leaving[0], nearest, *leaving[1:], *(row for row in kept if row is not nearest)]


def _apart(one: Row, other: Row) -> int:
    """In how many bits the perceptual hashes differ."""
    return (int(one.phash, 16) ^ int(other.phash, 16)).bit_count()


def _labelled(row: Row) -> str:
    return f"{row.label} in {row.sources[0]}"


def _sides(rows: Sequence[Row]) -> str:
    return " and ".join(sorted({row.split for row in rows}))


def _files(rows: Iterable[Row]) -> list[str]:
    return [source for row in rows for source in row.sources]


def _named(cases: Sequence[Case]) -> str:
    """The files of the first cases, those of a case joined."""
    return named(" = ".join(_pair(each)) for each in cases)


def _pair(shown: Case) -> list[str]:
    """One name of each of the first two files, or two names of the only one."""
    files = shown.files
    return [file.sources[0] for file in files[:2]] if len(files) > 1 else list(files[0].sources[:2])
