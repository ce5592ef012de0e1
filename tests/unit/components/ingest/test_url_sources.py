"""Archives named by URL: real HTTP servers, some made to misbehave."""

import hashlib
import io
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from binocular.download import Patience, fetch
from binocular.errors import (
    ArchiveRefusedError,
    BinocularError,
    DownloadError,
    IntegrityError,
    NotFoundError,
    SourceError,
    TooLargeError,
)
from components.ingest import datasets
from components.ingest.datasets import DATASETS, Dataset
from components.ingest.sources import Limits, open_source

IMPATIENT = Patience(attempts=3, first_pause_s=0.001, connect_s=0.5, read_s=0.3)
LIMIT = 10_000_000


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("photos/brown glass/a.jpg", bytes(range(256)) * 1000)
    return buffer.getvalue()


CONTENT = archive()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Answer:
    """What a server says; `sent` bytes of the body before it hangs up."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None


@dataclass
class Request:
    """What a server was asked: the path, and from which byte on."""

    path: str
    start: int


@contextmanager
def serving(
    answer: Callable[[int, Request], Answer], tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[Request]]]:
    """A server whose n-th answer is `answer(n, request)`."""
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
            seen.append(Request(self.path, int(wanted)))
            said = answer(len(seen), seen[-1])
            self.send_response(said.status)
            for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body[: said.sent])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, ExitStack() as stack:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stack.callback(server.shutdown)
        yield f"http{'s' if tls else ''}://localhost:{server.server_port}", seen


def whole(_: int, __: Request) -> Answer:
    return Answer(body=CONTENT)


def resumable(number: int, request: Request) -> Answer:
    """Hangs up half-way at first; then gives the rest."""
    if number == 1:
        return Answer(body=CONTENT, sent=len(CONTENT) // 2)
    at = request.start
    span = f"bytes {at}-{len(CONTENT) - 1}/{len(CONTENT)}"
    return Answer(206, {"Content-Range": span}, CONTENT[at:])


def test_an_archive_at_a_url_is_a_source(tmp_path: Path) -> None:
    with serving(whole) as (url, seen):
        spec = f"{url}/data/photos%201.zip?download=true"
        for _ in range(2):
            stream = open_source(spec, store=None, scratch=tmp_path / "scratch", sha256=SHA256.upper())
            found = [(each.source, each.label, len(each.read())) for each in stream]

    assert found == [("photos 1.zip!photos/brown glass/a.jpg", "brown glass", 256_000)]
    assert len(seen) == 1, "what was verified once is not fetched again"


def test_what_is_no_url_is_refused_before_anything_is_asked_of_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no http or https URL"):
        fetch("http://[bad", "", tmp_path, LIMIT)


def test_a_url_without_a_checksum_says_how_to_compute_it(tmp_path: Path) -> None:
    with serving(whole) as (url, seen), pytest.raises(SourceError, match="sha256sum FILE"):
        list(open_source(f"{url}/photos.zip", store=None, scratch=tmp_path))

    assert not seen


@pytest.mark.parametrize("sha256", ["abc", "x" * 64, SHA256 + "0", f"../{SHA256}"])
def test_what_is_no_checksum_is_refused(tmp_path: Path, sha256: str) -> None:
    with pytest.raises(SourceError, match="is no SHA-256"):
        fetch("https://localhost/x.zip", sha256, tmp_path, LIMIT)


def test_other_bytes_than_promised_are_not_kept(tmp_path: Path) -> None:
    with serving(whole) as (url, _), pytest.raises(IntegrityError, match=f"has SHA-256 {SHA256}, expected 0000"):
        fetch(f"{url}/x.zip", "0" * 64, tmp_path, LIMIT, IMPATIENT)

    assert list(tmp_path.iterdir()) == []


def test_a_download_that_was_cut_off_continues_where_it_stopped(tmp_path: Path) -> None:
    with serving(resumable) as (url, seen):
        path = fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, IMPATIENT)

    assert path.read_bytes() == CONTENT
    assert [request.start for request in seen] == [0, len(CONTENT) // 2]


def test_the_next_run_continues_too(tmp_path: Path) -> None:
    once = replace(IMPATIENT, attempts=1)
    with serving(resumable) as (url, seen):
        with pytest.raises(DownloadError, match=f"cut off after {len(CONTENT) // 2} bytes"):
            fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, once)
        path = fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, once)

    assert path.read_bytes() == CONTENT
    assert seen[1].start == len(CONTENT) // 2


def test_a_server_that_cannot_continue_is_begun_anew(tmp_path: Path) -> None:
    def answer(number: int, _: Request) -> Answer:
        return Answer(body=CONTENT, sent=1000 if number == 1 else None)

    with serving(answer) as (url, _):
        assert fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, IMPATIENT).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [206, 416])
def test_a_wrong_continuation_is_begun_anew(tmp_path: Path, status: int) -> None:
    def answer(number: int, request: Request) -> Answer:
        if number == 1:
            return Answer(body=CONTENT, sent=1000)
        if request.start:
            return Answer(status, {"Content-Range": "bytes 5-9/10" if status == 206 else "bytes */5"}, b"12345")
        return Answer(body=CONTENT)

    with serving(answer) as (url, seen):
        assert fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, IMPATIENT).read_bytes() == CONTENT
    assert [request.start for request in seen] == [0, 1000, 0]


def test_a_download_that_only_lacked_its_name_is_not_repeated(tmp_path: Path) -> None:
    def answer(number: int, _: Request) -> Answer:
        if number == 1:
            return Answer(headers={"Content-Length": str(len(CONTENT) + 1)}, body=CONTENT)
        return Answer(416, {"Content-Range": f"bytes */{len(CONTENT)}"})

    with serving(answer) as (url, _):
        assert fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, IMPATIENT).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(tmp_path: Path, status: int) -> None:
    with serving(lambda n, r: Answer(status) if n < 3 else whole(n, r)) as (url, seen):
        fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, IMPATIENT)

    assert len(seen) == 3


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (404, NotFoundError, 1),
        (410, NotFoundError, 1),
        (401, SourceError, 1),
        (403, SourceError, 1),
        (503, DownloadError, 3),
    ],
)
def test_a_refusal_is_told_apart_from_a_failure(
    tmp_path: Path, status: int, error: type[BinocularError], requests: int
) -> None:
    with serving(lambda *_: Answer(status)) as (url, seen), pytest.raises(error, match=str(status)) as caught:
        fetch(f"{url}/x.zip?token=secret", SHA256, tmp_path, LIMIT, IMPATIENT)

    assert len(seen) == requests
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_or_falls_silent_is_one_error(tmp_path: Path) -> None:
    silent = Answer(headers={"Content-Length": "100000"}, body=b"x")
    never = threading.Event()

    def answer(*_: object) -> Answer:
        never.wait(1)
        return silent

    with serving(answer) as (url, _), pytest.raises(DownloadError, match="ReadTimeout"):
        fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, replace(IMPATIENT, attempts=1, read_s=0.1))
    never.set()
    with pytest.raises(DownloadError, match="cut off after 0 bytes") as caught:
        fetch(f"{url.replace('//', '//user:secret@')}/x.zip?key=secret", SHA256, tmp_path, LIMIT, IMPATIENT)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("declared", [True, False])
def test_a_download_beyond_the_limit_stops(tmp_path: Path, declared: bool) -> None:  # noqa: FBT001
    headers = {} if declared else {"Content-Length": "", "Connection": "close"}
    with serving(lambda *_: Answer(headers=headers, body=CONTENT)) as (url, _):
        limits = Limits(download_bytes=1000)
        with pytest.raises(TooLargeError, match="at most 1000"):
            list(open_source(f"{url}/x.zip", store=None, scratch=tmp_path, sha256=SHA256, limits=limits))

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000


def test_five_redirects_are_followed_and_no_more(tmp_path: Path) -> None:
    def answer(_: int, request: Request) -> Answer:
        left = int(request.path.removeprefix("/"))
        return Answer(302, {"Location": str(left - 1)}) if left else Answer(body=CONTENT)

    with serving(answer) as (url, _):
        with pytest.raises(SourceError, match="more than 5 times"):
            fetch(f"{url}/6", SHA256, tmp_path, LIMIT, IMPATIENT)
        assert fetch(f"{url}/5", SHA256, tmp_path, LIMIT, IMPATIENT).read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "gopher://x", "//[bad"])
def test_a_redirect_stays_on_the_web(tmp_path: Path, target: str) -> None:
    with (
        serving(lambda *_: Answer(302, {"Location": target})) as (url, seen),
        pytest.raises(SourceError, match="http"),
    ):
        fetch(f"{url}/x.zip", SHA256, tmp_path, LIMIT, IMPATIENT)

    assert len(seen) == 1


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that downloads trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return authority


def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_https_never_leads_to_http(tmp_path: Path, authority: trustme.CA) -> None:
    with serving(whole) as (plain, asked):
        answers = {"/down": Answer(302, {"Location": f"{plain}/x.zip"}), "/x.zip": Answer(body=CONTENT)}
        with serving(lambda _, request: answers[request.path], server_side(authority)) as (url, _):
            with pytest.raises(SourceError, match="from https to http://"):
                fetch(f"{url}/down", SHA256, tmp_path / "scratch", LIMIT, IMPATIENT)
            assert fetch(f"{url}/x.zip", SHA256, tmp_path / "scratch", LIMIT, IMPATIENT).read_bytes() == CONTENT

    assert not asked


def test_an_untrusted_certificate_is_not_tried_again(tmp_path: Path, authority: trustme.CA) -> None:
    assert authority
    with (
        serving(whole, server_side(trustme.CA())) as (url, _),
        pytest.raises(SourceError, match="certificate is not trusted"),
    ):
        fetch(f"{url}/x.zip", SHA256, tmp_path / "scratch", LIMIT, IMPATIENT)


@pytest.mark.parametrize(
    "url", ["http://", "http:///x.zip", "http://[bad/x.zip", "http://a b/x.zip", "http://é\0/x"]
)
def test_what_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BinocularError) as caught:
        list(open_source(url, store=None, scratch=tmp_path, sha256=SHA256))
    assert not caught.value.retry


def test_a_verified_download_that_is_no_archive_is_refused_by_its_name(tmp_path: Path) -> None:
    page = b"<html>log in</html>"
    digest = hashlib.sha256(page).hexdigest()
    with (
        serving(lambda *_: Answer(body=page)) as (url, _),
        pytest.raises(ArchiveRefusedError, match=r"x\.zip is nei"),
    ):
        list(open_source(f"{url}/x.zip", store=None, scratch=tmp_path, sha256=digest))


class TestDatasets:
    def test_each_is_fetched_safely_and_says_who_may_use_it(self) -> None:
        for name, dataset in DATASETS.items():
            assert dataset.name == name
            assert dataset.url.startswith("https://")
            assert dataset.homepage.startswith("https://")
            assert dataset.licence

    def test_one_without_a_published_checksum_asks_for_one(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"fruits-360 .*sha256sum FILE.*CC BY-SA 4\.0, https://github"):
            list(open_source("fruits-360", store=None, scratch=tmp_path))

    def test_one_is_fetched_by_its_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(whole) as (url, _):
            row = Dataset("bottles", f"{url}/x.zip", "MIT", "https://example.org", SHA256)
            monkeypatch.setitem(datasets.DATASETS, "bottles", row)
            stream = open_source("Bottles", store=None, scratch=tmp_path)
            assert [(each.source, each.label) for each in stream] == [
                ("bottles!photos/brown glass/a.jpg", "brown glass")
            ]

    def test_a_folder_of_the_same_name_goes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "trashnet" / "glass").mkdir(parents=True)
        (tmp_path / "trashnet" / "glass" / "a.jpg").touch()
        monkeypatch.chdir(tmp_path)

        assert [each.source for each in open_source("trashnet", store=None, scratch=tmp_path)] == ["glass/a.jpg"]
