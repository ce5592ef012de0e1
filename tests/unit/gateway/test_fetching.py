"""Fetching from the web: which addresses are public, which are never gone to, and what a server may do to us."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme

from binocular.errors import AddressRefusedError, BinocularError, FetchError, TooLargeError
from gateway import fetching
from gateway.fetching import Fetcher, is_public

Serve = Callable[[socket.socket], None]


@contextmanager
def server(answer: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback that does with each connection what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        wrapped = tls.wrap_socket(connection, server_side=True) if tls else connection
                        with wrapped:
                            wrapped.recv(65536)
                            answer(wrapped)
                    except OSError:
                        continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def says(text: bytes) -> Serve:
    return lambda connection: connection.sendall(text)


def to(port: int, **changes: Any) -> Fetcher:
    """A fetcher that goes to loopback."""
    options = {"seconds": 5.0, "most_bytes": 1000, "allowed": lambda _: True, "ports": (80, 443, port), **changes}
    return Fetcher(**options)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_what_is_not_the_public_internet_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9000/",
        "http://8.8.8.8:22/",
        "http://user:password@8.8.8.8/",
        "http://8.8.8.8@127.0.0.1/",
        "file:///etc/passwd",
        "ftp://8.8.8.8/x",
        "gopher://8.8.8.8/x",
        "data:image/png;base64,aaaa",
        "//8.8.8.8/x",
        "/etc/passwd",
        "",
        "http://",
        "http:///x",
        "http://8.8.8.8:99999/",
        "http://8.8.8.8:-1/",
        "http://[::1",
        "http://8.8.8.8/\r\nHost: x",
        "http://8.8.8.8/ü",
        "http://\u2460.example/",
        "http://" + "a" * 3000,
        "http://" + "a." * 200 + "b/",
    ],
)
def test_an_address_that_could_lead_inside_is_refused(url: str) -> None:
    with pytest.raises((AddressRefusedError, FetchError)) as refused:
        Fetcher(2, 1000).fetch(url)
    assert refused.value.status < 500


def test_an_image_is_fetched() -> None:
    with server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")) as port:
        assert to(port).fetch(f"http://127.0.0.1:{port}/a?b=c") == b"image"


def test_every_redirect_is_checked_anew() -> None:
    with server(says(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n")) as port:
        fetcher = to(port, allowed=lambda address: address == "127.0.0.1")
        with pytest.raises(AddressRefusedError, match=r"10\.0\.0\.1 is not on the public"):
            fetcher.fetch(f"http://127.0.0.1:{port}/")


def test_redirects_come_to_an_end() -> None:
    with (
        server(says(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")) as port,
        pytest.raises(FetchError, match="redirects"),
    ):
        to(port).fetch(f"http://127.0.0.1:{port}/")


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = []

    def once(host: str, _port: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"]

    monkeypatch.setattr(fetching, "_addresses", once)
    with server(says(b"HTTP/1.1 200 OK\r\n\r\nimage")) as port:
        assert to(port).fetch(f"http://rebinding.example:{port}/") == b"image"
    assert resolved == ["rebinding.example"]


def test_one_private_address_among_several_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_addresses", lambda *_: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressRefusedError):
        Fetcher(1, 1).fetch("http://both.example/")


def test_a_name_that_takes_for_ever_to_look_up_is_given_up_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def never(*_: object) -> list[str]:
        over.wait(60)
        return []

    monkeypatch.setattr(fetching, "_addresses", never)
    began = time.monotonic()
    with pytest.raises(FetchError, match="did not give the image within"):
        Fetcher(0.2, 1).fetch("http://slow.example/")
    assert time.monotonic() - began < 10
    over.set()


def test_more_bytes_than_are_taken_end_it_whatever_was_announced() -> None:
    for head in (b"Content-Length: 1\r\n", b"", b"Content-Length: 99999\r\n"):
        body = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * 5000
        with server(says(body)) as port:
            if head == b"Content-Length: 1\r\n":
                assert to(port).fetch(f"http://127.0.0.1:{port}/") == b"x"
            else:
                with pytest.raises(TooLargeError):
                    to(port).fetch(f"http://127.0.0.1:{port}/")


def drip(connection: socket.socket) -> None:
    """A header that never ends, a byte at a time, so that no silence is ever long."""
    for _ in range(10_000):
        connection.sendall(b"a")
        time.sleep(0.02)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    drip(connection)


def drip_without_length(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(connection)


@pytest.mark.parametrize("answer", [drip, drip_body, drip_without_length])
def test_a_server_that_drips_is_cut_off_by_the_clock(answer: Serve) -> None:
    with server(answer) as port:
        began = time.monotonic()
        with pytest.raises(FetchError):
            to(port, seconds=0.5).fetch(f"http://127.0.0.1:{port}/")
        assert time.monotonic() - began < 10


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server at images.example, which is here, shows; and that we trust who signed it."""
    authority = trustme.CA()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    monkeypatch.setattr(fetching, "_trusted", lambda: trusted)
    monkeypatch.setattr(fetching, "_addresses", lambda *_: ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("images.example").configure_cert(context)
    return context


def test_a_certificate_is_checked_against_the_name_and_not_the_address(tls: ssl.SSLContext) -> None:
    with server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage"), tls) as port:
        assert to(port).fetch(f"https://images.example:{port}/") == b"image"
        with pytest.raises(FetchError, match="SSLCertVerificationError"):
            to(port).fetch(f"https://other.example:{port}/")


def test_a_server_that_drips_over_tls_is_cut_off_too(tls: ssl.SSLContext) -> None:
    with server(drip_body, tls) as port:
        began = time.monotonic()
        with pytest.raises(FetchError):
            to(port, seconds=1).fetch(f"https://images.example:{port}/")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)
def test_whatever_a_server_says_becomes_an_error_of_ours(text: bytes) -> None:
    with server(says(text)) as port, pytest.raises(BinocularError) as refused:
        to(port).fetch(f"http://127.0.0.1:{port}/")
    assert refused.value.status < 500


def test_a_host_that_does_not_answer_is_an_error_of_ours() -> None:
    with server(says(b"")) as port:
        pass
    with pytest.raises(FetchError):
        to(port).fetch(f"http://127.0.0.1:{port}/")
