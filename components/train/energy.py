"""What a training takes in energy, estimated offline by codecarbon; never a reason for a training to fail."""

import logging
from collections.abc import Callable

from codecarbon import OfflineEmissionsTracker
from codecarbon.external.logger import logger as codecarbon_log

from binocular.candidate import Energy

WORLD = "world average"

log = logging.getLogger(__name__)


def measured(country: str) -> Callable[[], Energy | None]:
    """Start measuring; what is returned stops it and tells, or says None where this machine cannot be measured."""
    codecarbon_log.setLevel(logging.ERROR)
    try:
        tracker = OfflineEmissionsTracker(
            country_iso_code=country.upper() or None,
            output_methods=[],
            allow_multiple_runs=True,
            log_level="error",
        )
        tracker.start()
    except Exception:
        log.warning("energy is not measured", exc_info=True)
        return lambda: None

    def stop() -> Energy | None:
        try:
            co2_kg = tracker.stop()
            kwh = tracker.final_emissions_data.energy_consumed
        except Exception:
            log.warning("energy was not measured", exc_info=True)
            return None
        return Energy(kwh=float(kwh), co2_kg=float(co2_kg or 0), country=country.upper() or WORLD)

    return stop
