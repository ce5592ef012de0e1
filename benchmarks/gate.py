"""How often the gate's rule about classes rejects: models that are equally good, and a class that got worse.

    python -m benchmarks gate

Draws test sets: of each class so many images; on a part of them candidate and champion differ, each as often in
the right. For "a class worse", the candidate recognises that much less of one class in truth.
"""

import numpy as np

from benchmarks.page import Row, Table
from components.evaluate.champion_rules import is_worse
from components.evaluate.evidence import Paired, PairedClass
from components.evaluate.gate import Gate

SHAPES = ((2, 50), (6, 15), (6, 60), (20, 30), (100, 30), (100, 100))
DIFFERENT = (0.05, 0.1, 0.2)
WORSE = (0.0, 0.1, 0.2, 0.3)
SEED = 1


def measure(draws: int) -> Table:
    """The share of test sets on which the rule rejects."""
    rows: list[Row] = []
    for classes, images in SHAPES:
        for different in DIFFERENT:
            shares = [f"{_rejected(classes, images, different, worse, draws):.1%}" for worse in WORSE]
            rejected = dict(zip(["rejected: equally good", *_headers()], shares, strict=True))
            rows.append({"classes": classes, "images each": images, "differ on": f"{different:.0%}", **rejected})
    return Table("The gate", f"{draws:,} test sets of each kind.", rows)


def _headers() -> list[str]:
    return [f"a class {100 * worse:.0f} points worse" for worse in WORSE[1:]]


def _rejected(classes: int, images: int, different: float, worse: float, draws: int) -> float:
    rng, gate = np.random.default_rng(SEED), Gate()
    shares = np.array([[different / 2, different / 2, 1 - different]] * classes)
    shares[0] += worse, 0, -worse
    rejected = 0
    for _ in range(draws):
        drawn = rng.multinomial(images, shares)
        rejected += any(_guilty(int(broken), int(fixed), images, classes, gate) for broken, fixed, _ in drawn)
    return rejected / draws


def _guilty(broken: int, fixed: int, images: int, classes: int, gate: Gate) -> bool:
    recognised = Paired(images, images - broken - fixed, fixed, broken, 0, 1.0, None)
    # As if it were not made up for by precision, which is the harder case.
    lost = PairedClass(recognised, f1=0.0, champion_f1=1.0)
    return recognised.drop > gate.max_class_recall_drop and is_worse(lost, classes, gate)
