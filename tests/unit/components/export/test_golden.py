"""The proof of an exported model, where it does not come to an answer."""

from pathlib import Path

import pytest

from binocular.errors import ModelError
from components.export import golden


def test_a_proof_that_takes_too_long_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "PROVEN_WITHIN_S", 0.01)
    with pytest.raises(ModelError, match=r"within 0\.01 s: give the step more cores"):
        golden.prove(tmp_path)
