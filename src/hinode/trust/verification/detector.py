"""The program that looks for watermarks in a file from a stranger. It runs in a process of its own, which
`detection` starts, with the limits that `child` sets: no network, and no files besides its two.

Standard input is the file. The argument is a JSON object with the limits and `beside`, the number of an open
file: its first line is the key in hexadecimal digits, and the identities to look for follow, 16 bytes each.
One line of JSON is written: `Detection.as_json`, or the `error` of a file that cannot be read.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import av
import numpy.fft  # noqa: F401 - before no more files can be opened, like all that follows
from PIL import Image

from hinode.errors import HinodeError
from hinode.media.reading.container import DecodeError
from hinode.trust.verification.child import BESIDE, limit_process
from hinode.trust.watermark.detect import detect_file
from hinode.trust.watermark.words import ID_BYTES

COMMANDS = ("av.__main__", "av.datasets")
"""Modules of the decoder that do something when they are imported, or that need a network."""


def main() -> None:
    """Read the two files and write the line."""
    Image.init()
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in COMMANDS:
            importlib.import_module(module.name)
    limit_process(json.loads(sys.argv[1]))
    with open(BESIDE, "rb", closefd=False) as beside:
        beside.seek(0)
        key, ids = bytes.fromhex(beside.readline().decode()), beside.read()
    candidates = [ids[start : start + ID_BYTES] for start in range(0, len(ids), ID_BYTES)]
    with open(0, "rb", closefd=False) as file:
        try:
            answer = detect_file(file, candidates, key).as_json()
        except (HinodeError, DecodeError, MemoryError) as error:
            answer = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
