"""Copy the libraries of the studio into `src/hinode/studio/web/vendor`, with versions, licences and digests.

    pip install fonttools brotli
    python -m runs.vendor_studio FOLDER

FOLDER holds `node_modules` with the packages of `tests/studio/package.json`. Bare names in imports become
relative ones, since a browser resolves no names without an import map. Of the typeface, the letters of
western European languages stay, with the weights of the studio.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "src/hinode/studio/web/vendor"
FILES = {
    "preact": ("preact", "dist/preact.mjs"),
    "preact/hooks": ("preact", "hooks/dist/hooks.mjs"),
    "htm": ("htm", "dist/htm.module.js"),
    "@preact/signals-core": ("@preact/signals-core", "dist/signals-core.mjs"),
    "@preact/signals": ("@preact/signals", "dist/signals.mjs"),
}
"""Package and file by the name that imports use."""
FONT = ("@fontsource-variable/inter", "files/inter-latin-wght-normal.woff2")
LETTERS = "U+20-7E,U+A0-FF,U+131,U+152-153,U+2013-2014,U+2018-201A,U+201C-201E,U+2022,U+2026,U+20AC,U+2212"
WEIGHTS = "wght=400:700"
FEATURES = "kern,liga,calt,ccmp,mark,tnum"


def copy_licence(root: Path, name: str) -> None:
    (VENDOR / f"{name}.LICENSE").write_text(next(root.glob("LICENSE*")).read_text())


def row(file: Path, root: Path) -> str:
    """The line of a file in the list."""
    facts = json.loads((root / "package.json").read_text())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"| {file.name} | {facts['name']} | {facts['version']} | {facts['license']} | {digest} |"


def subset_font(source: Path, target: Path) -> None:
    """Write the part of a variable font that the studio uses."""
    narrow = target.with_suffix(".narrow.woff2")
    instancer = [sys.executable, "-m", "fontTools.varLib.instancer", str(source), WEIGHTS, "-o", str(narrow)]
    subprocess.run(instancer, check=True)
    subset = [
        sys.executable,
        "-m",
        "fontTools.subset",
        str(narrow),
        f"--unicodes={LETTERS}",
        "--flavor=woff2",
    ]
    subprocess.run([*subset, f"--layout-features={FEATURES}", f"--output-file={target}"], check=True)
    narrow.unlink()


def file_name(name: str) -> str:
    return name.removeprefix("@").replace("/", "-") + ".js"


def main(folder: Path) -> None:
    """Write the files and the list of them."""
    lines = ["| file | package | version | licence | SHA-256 |", "|---|---|---|---|---|"]
    for name, (package, path) in FILES.items():
        root = folder / "node_modules" / package
        text = re.sub(r"//# sourceMappingURL=.*\n?", "", (root / path).read_text())
        for other in FILES:
            text = re.sub(rf"(from\s?){json.dumps(other)}", rf'\1"./{file_name(other)}"', text)
        file = VENDOR / file_name(name)
        file.write_text(text)
        copy_licence(root, package.removeprefix("@").replace("/", "-"))
        lines.append(row(file, root))
    root, font = folder / "node_modules" / FONT[0], VENDOR / "inter-latin.woff2"
    subset_font(root / FONT[1], font)
    copy_licence(root, "inter")
    lines.append(row(font, root))
    head = "Libraries of the studio, copied by `python -m runs.vendor_studio FOLDER`; not edited by hand.\n\n"
    (VENDOR / "README.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
