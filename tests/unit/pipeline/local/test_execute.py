import importlib.metadata

import pytest

from pipeline.local.execute import installed

KFP = importlib.metadata.version("kfp")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--quiet", "--no-warn-script-location", f"kfp=={KFP}", "--no-deps"], True),
        (["typing-extensions>=3.7.4,<5; python_version<'3.9'"], True),
        (["requests", "numpy>=1"], True),
        (["--index-url", "https://example.org/simple", "--trusted-host", "example.org", "requests"], True),
        ([], True),
        (["kfp==1.0.0"], False),
        (["no-such-package-anywhere"], False),
        (["requests @ https://example.org/requests.whl"], False),
        (["-r", "requirements.txt"], False),
        (["./local/folder"], False),
        (["--upgrade", "requests"], False),
    ],
)
def test_pip_is_needed_only_where_something_is_missing(arguments: list[str], expected: bool) -> None:  # noqa: FBT001
    assert installed(arguments) is expected
