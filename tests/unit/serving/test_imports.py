"""The LiteRT path is light: no tensorflow, and nothing that the server's own image does not install."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_server_without_a_session_needs_only_its_own_image() -> None:
    script = (
        "import importlib, pkgutil, sys, serving.server\n"
        "for module in pkgutil.walk_packages(serving.server.__path__, 'serving.server.'):\n"
        "    if not module.name.endswith(('.session', '__main__')): importlib.import_module(module.name)\n"
        "names = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "names -= {'google', '_distutils_hack'}  # a namespace of many packages; pip's own\n"
        "found = importlib.metadata.packages_distributions()\n"
        "print(*{each for name in names for each in found.get(name, [])})\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", "import importlib.metadata\n" + script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    needed = {name.lower().replace("_", "-") for name in result.stdout.split()} - {"binocular"}
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements" / "server.txt").read_text(), re.MULTILINE))
    assert needed <= pinned, needed - pinned
    assert not [name for name in needed if name.startswith(("tensorflow", "keras"))]
