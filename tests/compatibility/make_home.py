"""Make the archive of a home that `test_previous_homes.py` opens. Run it in a checkout of the commit that the
archive is named after, with that checkout's environment:

    .venv/bin/python make_home.py home-cfc4c09.tar.gz

The home holds finished, cancelled, waiting and half-rendered videos, a finished and an open batch, an
uploaded file, a character, a webhook endpoint, a model of toy size and the entry of a model that was not
pulled yet.
`facts.json` beside it holds what the server of that commit answered.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

SMALL = {"size": "64x36", "seconds": "1"}
ENVIRONMENT = {
    "HINODE_RETENTION_HOURS": "800000",
    "HINODE_THREADS": "1",
    "HINODE_CHECKPOINT_SECONDS": "5",
    "HINODE_MODELS": "sora-2=testcard",
    "OMP_NUM_THREADS": "1",
}


def write_model(path: Path) -> None:
    import torch
    from hinode.model.dit import DiT, DiTConfig
    from hinode.world.caption import VOCABULARY

    from hinode.model import checkpoint
    from hinode.model.text import Vocabulary

    vocabulary = Vocabulary(tuple(VOCABULARY))
    widths = {"fine_width": 64, "width": 64, "text_width": 64, "conditioning": 64}
    config = DiTConfig(vocabulary=len(vocabulary), fine_out=1, depth=1, text_depth=1, hints=True, **widths)
    torch.manual_seed(1)
    model = DiT(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    facts = {"shapes": [[25, 8, 32, 32], [25, 8, 64, 32]], "sampling": {"steps": 40, "guidance": 2.0}}
    checkpoint.save(path, model.state_dict(), config, vocabulary, facts)


def run(home: Path, *words: str) -> str:
    command = [sys.executable, "-m", "hinode", *words]
    environment = {**os.environ, **ENVIRONMENT, "HINODE_HOME": str(home)}
    return subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, check=True).stdout


class Server:
    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=60)

    def post(self, path: str, **body: object) -> dict:
        return self.http.post(path, json=body).raise_for_status().json()

    def get(self, path: str) -> dict:
        return self.http.get(path).raise_for_status().json()

    def wait(self, path: str, *statuses: str, progress: int = 0) -> dict:
        for _ in range(1200):
            answer = self.get(path)
            if answer["status"] in statuses and answer.get("progress", 100) >= progress:
                return answer
            time.sleep(0.05)
        raise SystemExit(f"{path} stays {answer}")


@contextmanager
def serve(home: Path, key: str, workers: int, **more: str):
    log = home.parent / "server.log"
    log.write_text("")
    command = [sys.executable, "-m", "hinode", "serve", "--port", "0", "--workers", str(workers)]
    environment = {**os.environ, **ENVIRONMENT, "HINODE_HOME": str(home), **more}
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stderr=file, stdout=subprocess.DEVNULL)
    while not (match := re.search(r"http://[0-9.:]+", log.read_text())):
        time.sleep(0.1)
    yield Server(match[0], key)
    process.send_signal(signal.SIGTERM)
    process.wait()


def main(archive: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    home = folder / "home"
    write_model(home / "models" / "toy.safetensors")
    key = run(home, "keys", "create", "--name", "first").split()[-1]
    facts: dict[str, object] = {"key": key}
    balloon = "a red balloon rises over the sea"
    with serve(home, key, workers=1) as server:
        card = server.post("videos", prompt=balloon, seed=7, model="testcard", **SMALL)
        facts["completed"] = server.wait(f"videos/{card['id']}", "completed")
        native = server.post(
            "videos", prompt=balloon, seed=3, model="native/toy", steps=3, size="32x32", seconds="2"
        )
        facts["native"] = server.wait(f"videos/{native['id']}", "completed")
        content = server.http.get(f"videos/{native['id']}/content").content
        character = server.http.post(
            "videos/characters", data={"name": "Pip"}, files={"video": ("pip.mp4", content, "video/mp4")}
        )
        facts["character"] = character.raise_for_status().json()
        remix = server.post(f"videos/{card['id']}/remix", prompt="the same in the rain")
        facts["remix"] = server.wait(f"videos/{remix['id']}", "completed")
        facts["endpoint"] = server.post(
            "webhook_endpoints",
            name="mine",
            url="https://hook.invalid/hook",
            event_types=["video.completed"],
        )
        lines = [
            {
                "custom_id": f"line-{number}",
                "method": "POST",
                "url": "/v1/videos",
                "body": {"prompt": f"card {number}", "model": "testcard", "seed": number, **SMALL},
            }
            for number in range(3)
        ]
        text = "\n".join(map(json.dumps, lines)).encode()
        upload = server.http.post("files", data={"purpose": "batch"}, files={"file": ("lines.jsonl", text)})
        facts["upload"] = upload.raise_for_status().json()
        order = {
            "input_file_id": facts["upload"]["id"],
            "endpoint": "/v1/videos",
            "completion_window": "24h",
        }
        batch = server.post("batches", **order)
        facts["batch"] = server.wait(f"batches/{batch['id']}", "completed")
        facts["output"] = server.http.get(f"files/{facts['batch']['output_file_id']}/content").text
    # Two videos whose workers are stopped midway: a test card, and a clip of several windows.
    with serve(home, key, workers=2, HINODE_TESTCARD_STEP_SECONDS="0.5") as server:
        card = server.post("videos", prompt="a long card", seed=5, model="testcard", steps=60, **SMALL)
        native = server.post(
            "videos",
            prompt="a blue kite circles over the hills",
            seed=5,
            model="native/toy",
            steps=200,
            size="32x32",
            seconds="12",
        )
        server.wait(f"videos/{card['id']}", "in_progress")
        server.wait(f"videos/{native['id']}", "in_progress", progress=40)
    with serve(home, key, workers=0) as server:
        facts["card"] = server.get(f"videos/{card['id']}")
        facts["saved"] = server.get(f"videos/{native['id']}")
        facts["queued"] = server.post(
            "videos", prompt="a green star", seed=9, model="testcard", negative_prompt="rain", **SMALL
        )
        bird = server.post("videos", prompt="a white bird", seed=11, model="testcard", **SMALL)
        facts["cancelled"] = server.post(f"videos/{bird['id']}/cancel")
        batch = server.post("batches", **order)
        time.sleep(2)
        facts["open_batch"] = server.get(f"batches/{batch['id']}")
        facts["videos"] = [video["id"] for video in server.get("videos?limit=100")["data"]]
    run(
        home,
        "models",
        "add",
        "wan",
        "--family",
        "wan2.1-t2v",
        "--source",
        "acme/wan",
        "--licence",
        "Apache-2.0",
    )
    (folder / "facts.json").write_text(json.dumps(facts, indent=1))
    with tarfile.open(archive, "w:gz") as file:
        file.add(home, "home")
        file.add(folder / "facts.json", "facts.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
