"""Swagger UI over our own document, in a browser that fetches nothing from elsewhere."""

from playwright.sync_api import Page, expect


def test_a_call_can_be_tried_out(page: Page, url: str) -> None:
    asked, complaints = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto("/docs")
    expect(page.get_by_role("heading", name="Binocular").first).to_be_visible()
    page.locator("#operations-health-healthz .opblock-summary-control").click()
    page.get_by_role("button", name="Execute").click()
    answer = page.locator("#operations-health-healthz .live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text("alive")
    assert all(each.startswith((url, "data:")) for each in asked)
    assert complaints == []
