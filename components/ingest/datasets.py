"""Public datasets that may be named instead of a path: where they are, who may use them, and their checksums."""

from dataclasses import dataclass

from binocular.errors import SourceError


@dataclass(frozen=True)
class Dataset:
    """A published archive of class folders."""

    name: str
    url: str
    licence: str
    homepage: str
    sha256: str = ""
    """Empty where the publisher promises no fixed bytes: then whoever uses it says which ones are meant."""

    def checksum(self, given: str) -> str:
        """The SHA-256 to verify: the one given, else the published one; SourceError where there is neither."""
        if not (given or self.sha256):
            raise SourceError(
                f"dataset {self.name} is published without a checksum; give the SHA-256 of the archive you mean:"
                f" download {self.url} once and compute it with `sha256sum FILE`"
                f" (licence {self.licence}, {self.homepage})"
            )
        return given or self.sha256


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="trashnet",
            # The authors' own copy; the checksum is the one that projects which fetched it independently record.
            url="https://huggingface.co/datasets/garythung/trashnet/resolve/main/dataset-resized.zip",
            sha256="c060e8abfe5d6de0578ca15be1ed8ad0794a865d333c3473d53d1d9ad6e38b8c",
            licence="MIT",
            homepage="https://github.com/garythung/trashnet",
        ),
        Dataset(
            name="fruits-360",
            # Packed on request from a branch that grows: its bytes differ from month to month.
            url="https://github.com/fruits-360/fruits-360-100x100/archive/refs/heads/main.zip",
            licence="CC BY-SA 4.0",
            homepage="https://github.com/fruits-360/fruits-360-100x100",
        ),
    )
}
