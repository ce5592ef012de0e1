"""How much memory a training may take: what the machine has free, or what its container may still use."""

from pathlib import Path

import psutil

# Where a container sees its own limit and use.
GROUP = Path("/sys/fs/cgroup")


def available(group: Path = GROUP) -> int:
    """Bytes."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Files that were read are kept as long as nobody wants the memory.
        return max(0, min(free, limit - used + int(facts["inactive_file"])))
    except (OSError, ValueError, KeyError):  # there is no limit, or it says max
        return free
