"""The line of a policy that an error is about."""

from __future__ import annotations

import yaml

from hinode.errors import BadInput
from hinode.trust.screening.policy import NotYaml


def line_of(text: str, error: BadInput) -> int | None:
    """The number, from 1, of the line in the YAML of a policy that an error names, or None if it names none.

    The field of the error is a path: keys of mappings, and of lists the `id` of an entry or its number from
    1. Where a part of it is not there, the line is that of the part before.
    """
    if isinstance(error, NotYaml):
        return error.line
    node = yaml.compose(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    line = None
    for part in error.field.split("."):
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node | None, part: str) -> tuple[int, yaml.Node] | None:
    """The part of a node with a name, and its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value, start=1):
            own = _child(entry, "id") if isinstance(entry, yaml.MappingNode) else None
            if (own[1].value if own else str(number)) == part:
                return entry.start_mark.line + 1, entry
    return None
