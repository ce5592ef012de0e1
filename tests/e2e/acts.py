"""What a person does in many tests."""

import base64
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

_COOKIES: dict[tuple[str, str], list[Any]] = {}

# A browser lets nobody fake a drop from outside, so the page is given the event that a drop makes.
DROP = """([name, text, by]) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, {type: "image/jpeg"}));
  if (by === "paste") {
    dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true, bubbles: true}));
    return;
  }
  for (const kind of ["dragover", "drop"]) {
    dispatchEvent(new DragEvent(kind, {dataTransfer: data, cancelable: true, bubbles: true}));
  }
}"""


def sign_in(page: Page, token: str) -> None:
    """Be signed in. The gateway counts attempts, so each address is signed in to once, and its cookie kept."""
    there = urlsplit(page.url)
    known = (there.netloc, token)
    if known not in _COOKIES:
        answer = page.context.request.post("/session", data={"token": token}, headers={"X-Binocular": "dashboard"})
        assert answer.ok, answer.text()
        _COOKIES[known] = [
            {"name": each["name"], "value": each["value"], "url": f"{there.scheme}://{there.netloc}"}
            for each in page.context.cookies()
        ]
    page.context.add_cookies(_COOKIES[known])
    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def drop(page: Page, file: Path, by: Literal["drop", "paste"] = "drop") -> None:
    """Drop a file on the page, or paste it."""
    page.evaluate(DROP, [file.name, base64.b64encode(file.read_bytes()).decode(), by])
