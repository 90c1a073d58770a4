"""The files of the studio, as a browser asks for them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from hinode.studio.files import WEB, router, web_files

IMPORT = re.compile(
    r"""^(?:import|export)[^;"']*?["']([^"']+)["'];|(?:import|URL)\(["'](\.[^"']+)["']""", re.M
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(router)
    with TestClient(app) as client:
        yield client


def test_the_page_allows_no_script_but_its_own(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=", answer.text)


def test_every_address_of_the_page_is_relative_and_answers(client: TestClient) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]+)"', client.get("/").text)
    assert len(addresses) > 5
    for address in addresses:
        assert address.startswith("./")
        if not address.startswith("./v1/"):  # of the API, which is not served here
            assert client.get(address.removeprefix(".")).status_code == 200
    manifest = client.get("/manifest.webmanifest").json()
    assert all(client.get(icon["src"].removeprefix(".")).status_code == 200 for icon in manifest["icons"])


def test_every_import_names_a_module_that_is_there() -> None:
    _, files = web_files()
    for name in (name for name in files if name.endswith(".js")):
        for target in map("".join, IMPORT.findall(files[name].body.decode())):
            assert target.startswith("."), f"{name} imports {target}"
            path = (WEB / name).parent.joinpath(target).resolve().relative_to(WEB.resolve()).as_posix()
            assert path in files, f"{name} imports {target}"


def test_modules_are_compressed_and_stay_for_ever(client: TestClient) -> None:
    version, files = web_files()
    answer = client.get(f"/studio/{version}/app.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    plain = client.get(f"/studio/{version}/app.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content == gzip.decompress(files["app.js"].compressed)


@pytest.mark.parametrize("path", ["{version}/pages/none.js", "000000000000/app.js", "{version}/../files.py"])
def test_a_missing_module_is_not_the_page(client: TestClient, path: str) -> None:
    answer = client.get("/studio/" + path.format(version=web_files()[0]))
    assert answer.status_code == 404
    assert "html" not in answer.headers.get("content-type", "")


def test_libraries_are_the_listed_ones() -> None:
    import hashlib

    rows = re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (WEB / "vendor/README.md").read_text(), re.M)
    listed = dict(rows)
    shipped = {path.name for path in (WEB / "vendor").iterdir() if path.suffix in (".js", ".woff2")}
    assert listed.keys() == shipped
    for name, digest in listed.items():
        assert hashlib.sha256((WEB / "vendor" / name).read_bytes()).hexdigest() == digest


def test_every_text_of_the_modules_is_in_the_catalogue() -> None:
    """A key that is written in a module has a text, and a text belongs to one module of the catalogue."""
    _, files = web_files()
    catalogue: dict[str, str] = {}
    for name in (name for name in files if name.startswith("strings/")):
        for key, text in re.findall(
            r'^ {2}"([\w.-]+)":\s*("(?:[^"\\]|\\.)*")', files[name].body.decode(), re.M
        ):
            assert key not in catalogue, f"{name} has {key} again"
            catalogue[key] = json.loads(text)
    modules = [name for name in files if name.startswith(("core/", "widgets/", "pages/")) or name == "app.js"]
    for name in modules:
        for key in re.findall(r'\bt\("([\w.-]+)"', files[name].body.decode()):
            assert key in catalogue, f"{name} uses {key}"


def test_a_page_loads_the_texts_that_it_shows() -> None:
    """`needs` in the list of pages names the modules of the catalogue whose keys the page uses."""
    _, files = web_files()
    keys = re.compile(r'^ {2}"([\w.-]+)":', re.M)
    catalogue = {
        name.removeprefix("strings/").removesuffix(".js"): set(keys.findall(files[name].body.decode()))
        for name in files
        if name.startswith("strings/")
    }
    pages = re.findall(r'\{ name: "(\w+)".*?strings: (\[[^\]]*\])', files["app.js"].body.decode())
    assert len(pages) >= 10
    for page, listed in pages:
        modules = static_imports(f"pages/{page}.js") - static_imports("app.js")
        text = "\n".join(files[name].body.decode() for name in modules)
        used = set(re.findall(r'"([a-zA-Z][\w-]*\.[\w.-]+)"', text))
        used |= {
            key
            for start in re.findall(r"`([a-zA-Z][\w-]*\.[\w.-]*)\$\{", text)
            for names in catalogue.values()
            for key in names
            if key.startswith(start)
        }
        needed = {name for name, names in catalogue.items() if names & used}
        assert needed <= {"core", *json.loads(listed)}, page


def static_imports(name: str) -> set[str]:
    """A module, and those that it imports before it runs, directly or not."""
    _, files = web_files()
    statement = re.compile(r"""^(?:import|export)\b(?: [^;"']*? from)? ?["'](\.[^"']+)["'];""", re.M)
    names, todo = set(), [name]
    while todo:
        if (current := todo.pop()) not in names:
            names.add(current)
            folder = (WEB / current).parent
            targets = statement.findall(files[current].body.decode())
            todo += [(folder / target).resolve().relative_to(WEB.resolve()).as_posix() for target in targets]
    return names


def test_a_class_is_styled_by_one_page() -> None:
    """Every page loads all styles, so the same name in two of them would break one."""
    shared = {"tokens.css", "base.css", "widgets.css"}
    owners: dict[str, set[str]] = {}
    for path in (path for path in (WEB / "styles").iterdir() if path.name not in shared):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for selector in re.findall(r"([^{}]+)\{", text):
            for name in re.findall(r"(?:^|,)\s*\.([\w-]+)(?=[\s,:>{]|$)", selector):
                owners.setdefault(name, set()).add(path.name)
    frame = set(re.findall(r"\.([\w-]+)", "".join((WEB / "styles" / name).read_text() for name in shared)))
    assert {name: files for name, files in owners.items() if len(files) > 1 and name not in frame} == {}
