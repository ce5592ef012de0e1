"""Whether a difference between two models on the same images is more than chance.

Of the images where just one of the two is right, each is as likely to favour either if they are equally good.
"""

from functools import lru_cache
from typing import Final

# A class that collapsed has lost at least this many images; fewer may always be chance.
LEAST_LOST: Final = 3
# Sums of binary fractions are a hair off.
HAIR: Final = 1e-9


@lru_cache(maxsize=1 << 14)
def worse_by_chance(fixed: int, broken: int) -> float:
    """How likely it is that a model which is as good looks at least as much worse as this one does."""
    from scipy.stats import binomtest  # noqa: PLC0415 - half a second that --help need not wait for

    if fixed + broken == 0:
        return 1.0
    return float(binomtest(broken, fixed + broken, alternative="greater").pvalue)


def is_worse(fixed: int, broken: int, images: int, *, chance: float, collapse: float) -> bool:
    """Whether a class that is recognised less is worse indeed: beyond chance, or it collapsed, chance or not."""
    lost = broken - fixed
    if lost >= LEAST_LOST and lost / images > collapse + HAIR:
        return True
    return worse_by_chance(fixed, broken) < chance
