"""What a person does in many tests."""

import base64
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect

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
    """Sign in by the button of the frame."""
    page.get_by_role("button", name="Sign in").first.click()
    page.get_by_role("dialog").get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def drop(page: Page, file: Path, by: Literal["drop", "paste"] = "drop") -> None:
    """Drop a file on the page, or paste it."""
    page.evaluate(DROP, [file.name, base64.b64encode(file.read_bytes()).decode(), by])
