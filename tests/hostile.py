"""What somebody who means harm sends: images, forms, archives, addresses, JSON, headers, each a whole request.

for each in requests(token): send(each.sent)
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.hostile_files import BOUNDARY, archives, form, forms, images, picture

PREDICT, IMAGES = "/v1/predict", "/v1/images"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
TAKES_JSON = (PREDICT, "/v1/feedback", "/v1/retrain", "/v1/models/1/promote")


@dataclass(frozen=True)
class Hostile:
    """A request as its bytes on the wire."""

    name: str
    sent: bytes


def requests(token: str) -> Iterator[Hostile]:
    """The whole corpus."""
    bearer = {"Authorization": f"Bearer {token}"}
    yield from (post(f"image {name}", PREDICT, data, "image/png") for name, data in images())
    for name, data in forms():
        yield post(f"form {name}", PREDICT, data, FORM)
        yield post(f"form for images {name}", IMAGES, data, FORM, bearer)
    for name, data in archives():
        yield post(f"zip {name}", "/v1/predict/batch", data, "application/zip")
        yield post(f"zip for images {name}", IMAGES, data, "application/zip", bearer)
    for name, data in documents():
        yield from (post(f"json {name} to {path}", path, data, JSON, bearer) for path in TAKES_JSON)
    yield from (post(f"url {each[:40]}", PREDICT, json.dumps({"url": each}).encode(), JSON) for each in ADDRESSES)
    yield from (post(f"label {n}", IMAGES, _labelled(each), FORM, bearer) for n, each in enumerate(LABELS))
    yield from (post(f"header {each[:40]!r}", PREDICT, picture("PNG"), "image/png", raw=each) for each in HEADERS)
    yield from (Hostile(f"path {each[:40]!r}", _get(each)) for each in PATHS)
    yield from (Hostile(f"wire {n}", sent) for n, sent in enumerate(WIRE))


def post(
    name: str, path: str, body: bytes, kind: str, headers: dict[str, str] | None = None, raw: bytes = b""
) -> Hostile:
    """A request that is in order but for what it holds."""
    told = {
        "Host": "x",
        "Connection": "close",
        "Content-Type": kind,
        "Content-Length": len(body),
        **(headers or {}),
    }
    lines = "".join(f"{key}: {value}\r\n" for key, value in told.items()).encode()
    return Hostile(name, f"POST {path} HTTP/1.1\r\n".encode() + lines + raw + b"\r\n" + body)


def _get(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def _labelled(label: str) -> bytes:
    return form(("label", None, label.encode(errors="surrogatepass")), ("files", "a.png", picture("PNG")))


def documents() -> Iterator[tuple[str, bytes]]:
    """JSON that is none, or too deep, long or wide, or of another kind."""
    yield from {
        "cut": b'{"image": "aaa',
        "nested": b"[" * 100_000,
        "nested objects": b'{"parameters":' * 50_000,
        "a number": b"7",
        "a long number": b"9" * 100_000,
        "infinity": b'{"parameters": {"epochs": Infinity}, "over": NaN}',
        "not unicode": b'{"id": "\xff\xfe", "label": "\xc3\x28"}',
        "half a letter": b'{"id": "\\ud800", "label": "\\udfff", "why": "\\ud800"}',
        "nothing in text": b'{"id": "a\\u0000b", "label": "\\u0000", "why": "\\u0000"}',
        "one name twice": b'{"id": "a", "id": 7, "label": [], "label": {}}',
        "many names": json.dumps({f"n{n}": n for n in range(50_000)}).encode(),
        "many parameters": json.dumps({"parameters": {f"n{n}": n for n in range(20_000)}}).encode(),
        "a long text": json.dumps(
            {"id": "a" * 1_000_000, "label": "b" * 1_000_000, "why": "c" * 1_000_000}
        ).encode(),
        "another kind": b'{"id": {"$gt": ""}, "label": true, "over": "1", "parameters": "x", "image": 7}',
        "a prototype": b'{"__proto__": {"admin": true}, "constructor": {"prototype": {}}}',
    }.items()


ADDRESSES = (
    "http://127.0.0.1/",
    "http://localhost:8080/metrics",
    "http://[::1]/",
    "http://0/",
    "http://0.0.0.0/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "http://[fe80::1%25eth0]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:9000/_x",
    "data:image/png;base64,aGk=",
    "javascript:alert(1)",
    "//127.0.0.1/",
    "http://",
    "http:///",
    "http://user:word@127.0.0.1/",
    "http://127.0.0.1:22/",
    "http://127.0.0.1:99999/",
    "http://a..b/",
    "http://-/",
    "http://x" + "a" * 3000,
    "http://ex\u00e4mple.invalid/",
    "http://127.0.0.1\\@example.invalid/",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127.0.0.1/\r\nX: y",
    "http://127.0.0.1/ HTTP/1.1",
    "http://localhost.localdomain/",
    "http://[::1",
    "\0",
)

LABELS = (
    "",
    " ",
    ".",
    "..",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "\u202egnp",
    "\u200b",
    "\ufeffglass",
    "x" * 2000,
    "%2e%2e",
    "glass ",
    "\ud800",
    "e\u0301" * 40,
    "\U0001f4a9",
    "con",
    "-rf",
    "<script>alert(1)</script>",
    "'; drop table",
    "{{7*7}}",
    "${jndi:x}",
)

HEADERS = (
    b"Authorization: Bearer " + b"a" * 6000 + b"\r\n",
    b"Authorization: Bearer \xff\xfe\r\n",
    b"Authorization: \r\n",
    b"Authorization: Basic YTpi\r\nAuthorization: Bearer x\r\n",
    b"X-Forwarded-For: " + b"1.1.1.1, " * 700 + b"\r\n",
    b"X-Forwarded-For: ' or 1=1\r\n",
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
    b"SCRIPT_NAME: /nowhere\r\n",
    b"SCRIPT-NAME: /nowhere\r\n",
    b"PATH_INFO: /metrics\r\n",
    b"X-Forwarded-Host: evil.example\r\n",
    b"Forwarded: for=_x\r\n",
    b"X-HTTP-Method-Override: DELETE\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Range: bytes=0-\r\n",
    b"X-Request-Id: \x01\x02\r\n",
    b"X-Request-Id: " + b"a" * 5000 + b"\r\n",
    b"Cookie: " + b"a=b; " * 1500 + b"\r\n",
    b"Cookie: session=eyJ4IjoxfQ.aaaa.bbbb\r\n",
    b"Accept: " + b"*/*;q=0.1," * 600 + b"\r\n",
    b"Upgrade: websocket\r\n",
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Idempotency-Key: \xff\r\n",
    b"TE: trailers\r\n",
    b"Trailer: x\r\n",
    b"If-None-Match: *\r\n",
    b"Origin: null\r\nSec-Fetch-Site: cross-site\r\n",
    b"Accept-Encoding: gzip;q=x\r\n",
    b"Host: y\r\n",
    b"Content-Type: image/png; charset=\xff\r\n",
    b"a" * 7000 + b": b\r\n",
    b": b\r\n",
    b"a b: c\r\n",
    b"a\0: b\r\n",
    b"a: \0\r\n",
)

PATHS = (
    b"/%00",
    b"/..%2f..%2fetc/passwd",
    b"/v1/../../etc/passwd",
    b"//evil.example/",
    b"/\\evil.example",
    b"/%ff%fe",
    b"/" + b"a/" * 3000,
    b"/v1/runs/..%2f..%2fx",
    b"/v1/runs/%0d%0aX:y",
    b"/v1/models/99999999999999999999",
    b"/v1/models/-1",
    b"/v1/models/1/files/..%2f..%2fx",
    b"/v1/runs?limit=1e999",
    b"/v1/runs?limit=" + b"9" * 5000,
    b"/v1/runs?" + b"a=b&" * 1500,
    b"/v1/status/history?window=%00",
    b"/docs/..%2f..%2fx/swagger.js",
    b"/assets/x/..%2f..%2f__init__.py",
    b"/metrics?name[]=x",
    b"http://evil.example/healthz",
    b"*",
    b"?",
    b"/%",
)

_PREDICT = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n"
WIRE = (
    b"",
    b"\r\n\r\n",
    b"\0" * 100,
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"BREW /v1/predict HTTP/1.1\r\nHost: x\r\n\r\n",
    b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 500 + b"\r\n",
    b"GET /healthz HTTP/1.1\nHost: x\n\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET  /healthz  HTTP/1.1\r\nHost: x\r\n\r\n",
    _PREDICT + b"Content-Length: -1\r\n\r\n",
    _PREDICT + b"Content-Length: x\r\n\r\n",
    _PREDICT + b"Content-Length: +1\r\n\r\nx",
    _PREDICT + b"Content-Length: 99999999999999999999\r\n\r\nx",
    _PREDICT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    _PREDICT + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _PREDICT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    _PREDICT + b"Transfer-Encoding: gzip\r\n\r\nabc",
    _PREDICT + b"Transfer-Encoding: chunked, gzip\r\n\r\nabc",
    _PREDICT + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    _PREDICT + b"Content-Type: image/png\r\nContent-Length: 100\r\n\r\nshort",
    _PREDICT + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na",
    _PREDICT + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    _PREDICT + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc",
    _PREDICT + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nabc",
    _PREDICT
    + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n3;"
    + b"a" * 20_000
    + b"\r\nabc\r\n0\r\n\r\n",
    _PREDICT + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    _PREDICT + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\nxyz\r\n",
    _PREDICT + b"Content-Length: 30000000\r\nContent-Type: image/png\r\n\r\nabc",
    _PREDICT + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx",
    b"POST /v1/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x00\xff\r\nContent-Length: 0\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
)
