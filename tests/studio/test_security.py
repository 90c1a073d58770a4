"""Nothing that people write or upload runs, and nothing that lets people in is left lying about."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from benchmarks.serving import ServerHarness
from tests.api.routes.test_economics import COSTS
from tests.studio.browser import PAGES, wait_until
from tests.studio.conftest import SignIn
from tests.studio.visits import ask, make_clip, upload

pytestmark = pytest.mark.slow

ATTACKS = (
    "<img src=x onerror=document.title='hacked'>",
    "javascript:document.title='hacked'",
    "\"'><svg onload=document.title='hacked'>",
    "</script><script>document.title='hacked'</script>",
    "{{constructor.constructor('document.title=1')()}}${document.title=1}",
)
TEXT = " ".join(ATTACKS)
LOOKALIKES = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "studio.test.evil",
    "xstudio.test",
)


@pytest.fixture(scope="module")
def key(server: ServerHarness) -> str:
    return server.key("security", "--scopes", "read,write,manage")


@pytest.fixture(scope="module")
def addresses(server: ServerHarness, key: str) -> dict[str, str]:
    """The pages that show what people write, with an attack in every field; and the texts that they show."""
    (server.home / "costs.yaml").write_text(COSTS)
    clip = make_clip(server, key, prompt=f"a red kite {TEXT}")
    ask(server, key, "POST", "project", {"name": TEXT[:100], "feed_enabled": True})
    collection = ask(server, key, "POST", "collections", {"name": TEXT[:80]})["id"]
    entry = {"title": TEXT[:200], "notes": TEXT, "tags": [attack[:40] for attack in ATTACKS[:3]]}
    ask(server, key, "PATCH", f"library/{clip}", {**entry, "collections": [collection]})
    person = {"name": "<img onerror=x>", "description": "a blue bird", "notes": TEXT}
    status, _ = server.request("POST", "/v1/characters", key=key, body=person)
    if status != 200:
        ask(server, key, "POST", "characters", {**person, "name": "Mio"})
    shot = {"id": "shot1", "title": TEXT[:100], "prompt": TEXT, "frames": 24}
    document = {"fps": "24", "size": "160x96", "shots": [shot]}
    board = ask(server, key, "POST", "storyboards", {"title": TEXT[:200], "document": document})["id"]
    ask(server, key, "POST", "feed", {"video_id": clip, "caption": TEXT[:200]})
    ask(server, key, "POST", "members", {"email": "eve@example.com", "name": TEXT[:100]})
    ask(server, key, "POST", "keys", {"name": TEXT[:100]})
    webhook = {"name": TEXT[:100], "url": "http://127.0.0.1:9/hook", "event_types": ["video.completed"]}
    ask(server, key, "POST", "webhook_endpoints", webhook)
    return {
        "clip": f"/{clip}",
        "compare": f"?ids={clip},{clip}",
        "create": f"?from={clip}",
        "storyboard": f"/{board}",
    }


def test_the_policy_stands_on_every_page(server: ServerHarness, context: BrowserContext) -> None:
    for path in ("/", "/docs"):
        policy = context.request.get(server.origin + path).headers["content-security-policy"]
        assert "default-src" in policy
        assert "frame-ancestors" in policy
    page = context.new_page()
    page.goto(f"{server.origin}/docs")
    page.get_by_role("heading", name="Hinode").first.wait_for()
    policy = context.request.get(server.origin).headers["content-security-policy"]
    assert "unsafe" not in policy
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy


def shows_as_text(page: Page) -> None:
    """Check that no attack became a part of the page."""
    page.wait_for_timeout(700)
    assert page.title().endswith("Hinode")
    assert not page.locator('[onerror], [onload], img[src="x"], a[href^="javascript:"]').count()
    scripts = page.locator("script").evaluate_all("(list) => list.map((script) => script.text)")
    assert not any(scripts)


@pytest.mark.parametrize("name", PAGES)
def test_what_people_write_is_text(
    server: ServerHarness, sign_in: SignIn, addresses: dict[str, str], name: str
) -> None:
    page = sign_in()
    page.goto(f"{server.origin}/#/{name}{addresses.get(name, '')}")
    page.get_by_role("heading", level=1).first.wait_for()
    shows_as_text(page)
    if name not in ("queue", "compare"):
        written = page.evaluate(
            """() => document.body.innerText
              + [...document.querySelectorAll("input, textarea")].map((field) => field.value).join()"""
        )
        assert "onerror" in written, f"{name} shows none of what was written"
    # What is shown on another occasion: parts of the settings, menus, the palette.
    for link in page.get_by_role("main").get_by_role("tab").all():
        link.press("Enter")
        shows_as_text(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("onerror")
    shows_as_text(page)


def test_what_a_person_types_is_text(sign_in: SignIn) -> None:
    page = sign_in()
    page.get_by_role("textbox", name="Prompt").fill(TEXT)
    shows_as_text(page)


def test_an_upload_never_runs(server: ServerHarness, sign_in: SignIn, key: str, errors: list[str]) -> None:
    script = "<script>document.title='hacked';fetch('/v1/keys')</script>"
    files = {
        "page.html": (f"<!doctype html>{script}", "text/html"),
        "picture.svg": (f'<svg xmlns="http://www.w3.org/2000/svg">{script}</svg>', "image/svg+xml"),
        "page.xml": (f'<html xmlns="http://www.w3.org/1999/xhtml">{script}</html>', "application/xml"),
        "code.js": ("document.title='hacked'", "text/javascript"),
    }
    page = sign_in()
    for name, (content, media_type) in files.items():
        number = upload(server, key, name, content.encode(), media_type)
        path = f"{server.base_url}/files/{number}/content"
        answer = page.context.request.get(path)
        assert answer.status == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["content-type"] == "application/octet-stream"
        visitor = page.context.new_page()
        with pytest.raises(PlaywrightError, match="Download is starting"):
            visitor.goto(path)
        visitor.close()
        loaded = page.evaluate(
            """(address) => new Promise((resolve) => {
              const script = document.createElement("script");
              script.src = address;
              script.onload = () => resolve("loaded");
              script.onerror = () => resolve("refused");
              document.head.append(script);
            })""",
            path,
        )
        assert loaded == "refused"
    assert page.title().endswith("Hinode")
    errors[:] = [error for error in errors if "strict MIME type checking" not in error]


def test_a_request_from_elsewhere_is_refused(server: ServerHarness, sign_in: SignIn) -> None:
    page = sign_in()
    request = page.context.request
    session = request.get(f"{server.base_url}/session").json()
    assert session["signed_in"]
    body = json.dumps({"prompt": "a kite", "seconds": "1", "size": "64x64"})
    for headers in ({}, {"x-csrf-token": "x"}, {"origin": "http://evil.example"}):
        sent = {"content-type": "application/json", **headers}
        for path in ("videos", "keys", "members", "collections", "storyboards", "project"):
            answer = request.post(f"{server.base_url}/{path}", headers=sent, data=body)
            assert answer.status == 403, (path, headers)
            assert answer.json()["error"]["code"] == "csrf"
        assert request.delete(f"{server.base_url}/session", headers=headers).status == 403
    assert request.get(f"{server.base_url}/session").json()["signed_in"]


def test_nothing_that_lets_people_in_is_written_anywhere(
    server: ServerHarness, context: BrowserContext, key: str
) -> None:
    addresses: list[str] = []
    context.on("request", lambda request: addresses.append(request.url))
    link = server.command("link").strip().split()[-1]
    token = link.split("token=")[1]
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Open the studio").press("Enter")
    page.get_by_role("heading", name="Create").wait_for()
    for name in ("library", "queue", "settings", "storyboards", "create"):
        page.goto(f"{server.origin}/#/{name}")
        page.wait_for_timeout(500)
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["expires"] > 0
    csrf = context.request.get(f"{server.base_url}/session").json()["csrf_token"]
    server.request("GET", f"/v1/videos?limit=1&api_key={'x' * 8}", key=key)
    secrets = {"token of the link": token, "cookie": cookie["value"], "csrf": csrf, "key": key}
    # The fragment with the token never leaves the browser.
    sent = [address.split("#")[0] for address in addresses]
    logs = [file.read_text(errors="replace") for file in server.home.rglob("*.log")]
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])")
    for name, secret in secrets.items():
        assert not any(secret in address for address in sent), f"the {name} is in an address"
        assert not any(secret in log for log in logs), f"the {name} is in a log"
        assert secret not in stored, f"the {name} is kept in the browser"
    assert token not in page.url


@pytest.mark.parametrize("host", LOOKALIKES)
def test_another_host_is_refused(server: ServerHarness, host: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        for path in ("/", "/v1/session", "/v1/videos", "/docs"):
            status, _ = server.request(method, path, headers={"host": host})
            assert status == 421, (method, path)


def test_a_clip_that_is_not_here_is_said_to_be_missing(
    server: ServerHarness, sign_in: SignIn, errors: list[str]
) -> None:
    page = sign_in()
    page.goto(f"{server.origin}/#/clip/video_of_another_project")
    page.get_by_role("heading", name=re.compile("not here")).wait_for()
    wait_until(page, lambda: errors, "the answer 404")
    errors[:] = [error for error in errors if "404" not in error]
