"""The photos that are sent: drawn, so that no file is needed."""

from dataclasses import dataclass
from uuid import uuid4

from binocular.sample.drawing import render
from binocular.sample.phone import phone_photo
from binocular.sample.spec import CLASSES

SIDE = 320
EACH = 3
LARGE = 2


@dataclass(frozen=True)
class Photo:
    """A JPEG file, and what it shows."""

    label: str
    data: bytes


class Photos:
    """Photos of usual size (about 20 kB), and of a phone's."""

    def __init__(self) -> None:
        self.small = [Photo(label, render(label, n, SIDE, seed=1)) for label in CLASSES for n in range(EACH)]
        self.large = [Photo(label, phone_photo(label, 0, seed=1)) for label in CLASSES[:LARGE]]

    def form(self, photos: list[Photo]) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a form with these photos as `files`."""
        boundary = uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{number}.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n".encode()
            + photo.data
            + b"\r\n"
            for number, photo in enumerate(photos)
        ]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
