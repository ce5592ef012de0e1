"""Small JSON documents that one part writes and another reads, each a model with a format number.

    class Facts(Document):
        images: int

    Facts(images=3).write(folder / "facts.json")
    Facts.load(folder / "facts.json")      # NotFoundError, or IntegrityError in one line

A document never holds NaN or infinity: no reader of JSON agrees on them, and the Kubeflow backend breaks on them.
"""

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from binocular.errors import IntegrityError, NotFoundError


class _Format(BaseModel):
    """The format number alone."""

    format: int | None = None


class Document(BaseModel):
    """A value that is written whole and read whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    format: int = 1

    def text(self) -> str:
        """The document as JSON, for machines and for people who look."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The document in a file."""
        try:
            return cls.parse(path.read_bytes(), str(path))
        except FileNotFoundError:
            raise NotFoundError(f"{path} is missing") from None

    @classmethod
    def parse(cls, data: bytes, name: str) -> Self:
        """The document in bytes; an error says that `name` is damaged, and where."""
        newest = cls.model_fields["format"].default
        try:
            # First, since a newer format may hold anything else that this release does not know.
            found = _Format.model_validate_json(data).format
            if found not in {None, newest}:
                raise IntegrityError(
                    f"{name} has format {found}; this release reads format {newest}: upgrade Binocular"
                )
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise IntegrityError(f"{name} is damaged: {where + ': ' if where else ''}{first['msg']}") from None
