"""Make the libraries of the studio in `src/hinode/studio/web/vendor`, with versions, licences and digests.

    pip install fonttools brotli
    python -m runs.vendor_studio FOLDER

FOLDER holds `node_modules` with the packages of `tests/studio/package.json`, and esbuild. The libraries are
one module: a browser fetches one file sooner than five, and resolves no names without an import map. Of
the typeface, the letters of western European languages stay, with the weights of the studio.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "src/hinode/studio/web/vendor"
MODULE = "libraries.js"
PACKAGES = ("preact", "htm", "@preact/signals-core", "@preact/signals")
ENTRY = """\
export { Fragment, h, render } from "preact";
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
export { default as htm } from "htm";
"""
"""What the studio uses of them."""
BUNDLE = ("--bundle", "--format=esm", "--minify", "--target=es2022", "--legal-comments=none")
FONT = ("@fontsource-variable/inter", "files/inter-latin-wght-normal.woff2")
LETTERS = "U+20-7E,U+A0-FF,U+131,U+152-153,U+2013-2014,U+2018-201A,U+201C-201E,U+2022,U+2026,U+20AC,U+2212"
WEIGHTS = "wght=400:700"
FEATURES = "kern,liga,calt,ccmp,mark,tnum"


def copy_licence(root: Path, name: str) -> None:
    (VENDOR / f"{name}.LICENSE").write_text(next(root.glob("LICENSE*")).read_text())


def row(file: Path, roots: Iterable[Path]) -> str:
    """The line of a file in the list, with the packages that it is made from."""
    facts = [json.loads((root / "package.json").read_text()) for root in roots]
    columns = [", ".join(fact[field] for fact in facts) for field in ("name", "version", "license")]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"| {file.name} | {' | '.join(columns)} | {digest} |"


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


def main(folder: Path) -> None:
    """Write the files and the list of them."""
    lines = ["| file | packages | versions | licences | SHA-256 |", "|---|---|---|---|---|"]
    file = VENDOR / MODULE
    esbuild = folder / "node_modules/.bin/esbuild"
    command = [str(esbuild.resolve()), *BUNDLE, f"--outfile={file}"]
    subprocess.run(command, input=ENTRY, text=True, cwd=folder, check=True)
    roots = [folder / "node_modules" / package for package in PACKAGES]
    for package, root in zip(PACKAGES, roots, strict=True):
        copy_licence(root, package.removeprefix("@").replace("/", "-"))
    lines.append(row(file, roots))
    root, font = folder / "node_modules" / FONT[0], VENDOR / "inter-latin.woff2"
    subset_font(root / FONT[1], font)
    copy_licence(root, "inter")
    lines.append(row(font, [root]))
    head = "Libraries of the studio, made by `python -m runs.vendor_studio FOLDER`; not edited by hand.\n\n"
    (VENDOR / "README.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
