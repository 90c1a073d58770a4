"""What fits on which node, and what is said of what never fits."""

from __future__ import annotations

import pytest

from hinode.jobs.capacity.placement import Need, Node, obstacle, room

GB = 10**9
NODE = Node("n", cpus=16, gpus=2, memory=64 * GB, gpu_memory=80 * GB, labels={"zone": "a"})


@pytest.mark.parametrize(
    ("need", "count"),
    [
        (Need(cpus=1), 16),
        (Need(cpus=4, gpus=1), 2),
        (Need(cpus=1, gpus=2), 1),
        (Need(cpus=1, gpus=0.5), 4),
        (Need(cpus=1, gpus=0.6), 2),  # not 3: a share is one of one device
        (Need(cpus=1, gpus=0.25, gpu_memory=30 * GB), 4),  # two on each device
        (Need(cpus=1, gpus=1, gpu_memory=81 * GB), 0),
        (Need(cpus=1, gpus=3), 0),
        (Need(cpus=1, memory=20 * GB), 3),
        (Need(cpus=0.5, labels={"zone": "a"}), 32),
        (Need(cpus=1, labels={"zone": "b"}), 0),
    ],
)
def test_room(need: Need, count: int) -> None:
    assert room(need, NODE) == count


@pytest.mark.parametrize(
    ("need", "sentence"),
    [
        (Need(cpus=32), "claims 32 CPUs, and the largest node has 16"),
        (Need(gpus=3), "claims 3 GPUs, and the largest node has 2"),
        (Need(memory=100 * GB), "claims 100 GB of memory, and the largest node has 64"),
        (Need(gpus=1, gpu_memory=141 * GB), "claims 141 GB of GPU memory, and the largest node has 80"),
        (Need(labels={"zone": "b"}), "no node has the labels zone=b"),
    ],
)
def test_what_never_fits_is_said(need: Need, sentence: str) -> None:
    assert sentence in str(obstacle(need, [NODE]))


def test_the_parts_of_several_nodes_are_not_added_up() -> None:
    nodes = [Node("many cpus", cpus=64), Node("a gpu", cpus=1, gpus=1)]
    assert "no node has all" in str(obstacle(Need(cpus=8, gpus=1), nodes))


def test_memory_that_nobody_knows_is_no_obstacle() -> None:
    assert obstacle(Need(gpus=1, gpu_memory=GB), [Node("n", cpus=1, gpus=1)]) is None
    assert obstacle(Need(gpus=1), []) is None
