"""Images named by a web address, fetched without becoming somebody's way into the network that we stand in.

A name is resolved once, each of its addresses must be a public one, and the connection goes to the very address
that was checked: what the name resolves to a moment later does not matter. The same holds after every redirect.
Time is limited by the clock and not by silence, size by what arrives and not by what is announced.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import certifi

from binocular.errors import AddressRefusedError, FetchError, TooLargeError

PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 3
LONGEST_URL = 2000
CHUNK = 1 << 16
MOST_LOOK_UPS = 16
OK = 200
# IPv6 addresses that stand for an IPv4 address behind a translator.
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


def is_public(address: str) -> bool:
    """Whether an address is of the public internet, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
        if any(found in network for network in TRANSLATED):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


class Fetcher:
    """Fetches images. `allowed` and `ports` are what a test sets otherwise."""

    def __init__(
        self,
        seconds: float,
        most_bytes: int,
        allowed: Callable[[str], bool] = is_public,
        ports: tuple[int, ...] = tuple(PORTS.values()),
    ) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._allowed = allowed
        self._ports = ports

    def fetch(self, url: str) -> bytes:
        """The bytes behind an address."""
        end = time.monotonic() + self._seconds
        for _ in range(MOST_REDIRECTS + 1):
            parts = self._checked(url)
            try:
                with self._connected(parts, end) as connection:
                    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    connection.request("GET", path, headers={"User-Agent": "binocular", "Accept": "image/*"})
                    with contextlib.closing(connection.getresponse()) as response:
                        target = response.headers.get("Location")
                        if response.status not in REDIRECTS or not target:
                            return self._body(response, end)
                        url = urljoin(url, target)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if time.monotonic() >= end:
                    raise FetchError(
                        f"{parts.hostname} did not give the image within {self._seconds:g} s"
                    ) from None
                raise FetchError(f"{parts.hostname} did not give the image: {type(error).__name__}") from None
        raise FetchError(f"more than {MOST_REDIRECTS} redirects")

    def _checked(self, url: str) -> SplitResult:
        """The parts of an address that is of a kind we go to."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
            host = (parts.hostname or "").encode("idna").decode()
        except (ValueError, UnicodeError):
            raise AddressRefusedError("the url cannot be read") from None
        if (
            parts.scheme not in PORTS
            or not host
            or len(url) > LONGEST_URL
            or not url.isascii()
            or not url.isprintable()
        ):
            raise AddressRefusedError(
                f"the url must be http:// or https://, ASCII, of at most {LONGEST_URL} characters"
            )
        if parts.username is not None or parts.password is not None:
            raise AddressRefusedError("the url must not hold a name or a password")
        if port not in self._ports:
            raise AddressRefusedError(
                f"port {port} is not fetched from, only {' and '.join(map(str, self._ports))}"
            )
        return parts

    @contextmanager
    def _connected(self, parts: SplitResult, end: float) -> Iterator[http.client.HTTPConnection]:
        """A connection to an address that was checked, cut when the time is over."""
        host = parts.hostname or ""
        port = parts.port or PORTS[parts.scheme]
        address = self._resolved(host, port, end)
        left = max(end - time.monotonic(), 0.001)
        plain = socket.create_connection((address, port), timeout=left)
        secure: ssl.SSLSocket | None = None
        if parts.scheme == "https":
            secure = _trusted().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        connected = secure or plain
        cut = threading.Timer(max(end - time.monotonic(), 0.001), _cut, [connected])
        cut.daemon = True
        cut.start()
        connection = http.client.HTTPConnection(host, port)
        connection.sock = connected
        try:
            if secure:
                secure.do_handshake()
            yield connection
        finally:
            cut.cancel()
            connection.close()

    def _resolved(self, host: str, port: int, end: float) -> str:
        """One address of a host, all of whose addresses are allowed."""
        try:
            addresses = _looker().submit(_addresses, host, port).result(max(end - time.monotonic(), 0))
        except TimeoutError:  # whoever knows names may answer when it likes
            raise
        except (OSError, UnicodeError):
            raise FetchError(f"there is no host {host}") from None
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise AddressRefusedError(f"{host} is not on the public internet")
        return addresses[0]

    def _body(self, response: http.client.HTTPResponse, end: float) -> bytes:
        if response.status != OK:
            raise FetchError(f"the other server answered {response.status}")
        body = bytearray()
        while chunk := response.read1(CHUNK):
            body += chunk
            if len(body) > self._most_bytes:
                raise TooLargeError(f"the image has more than {self._most_bytes} bytes")
        # What was cut off looks whole where nobody said how long it is.
        if response.length is None and time.monotonic() >= end:
            raise TimeoutError
        if response.length:
            raise FetchError("the other server broke off in the middle of the image")
        return bytes(body)


@cache
def _looker() -> ThreadPoolExecutor:
    """Who looks names up; those that take for ever leave the others less room, and no more than that."""
    return ThreadPoolExecutor(MOST_LOOK_UPS, "names")


def _addresses(host: str, port: int) -> list[str]:
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


def _cut(connected: socket.socket) -> None:
    """End a connection whose time is over; whoever reads from it finds its end."""
    with contextlib.suppress(OSError):
        # Of the socket itself: TLS would take leave politely first.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
