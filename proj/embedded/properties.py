"""How a message's properties are kept in the file: JSON, whose constant part is made once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any
from uuid import uuid4

from kombu.utils import json as typed_json

HEADERS = "application_headers"


class Outline:
    """The JSON of properties of which only a few headers and properties differ."""

    def __init__(
        self, model: Mapping[str, Any], headers: Sequence[str], properties: Sequence[str]
    ) -> None:
        holes = {uuid4().hex: (True, name) for name in headers}
        holes.update({uuid4().hex: (False, name) for name in properties})
        marked: dict[str, Any] = {**model, HEADERS: dict(model[HEADERS])}
        for hole, (in_headers, name) in holes.items():
            (marked[HEADERS] if in_headers else marked)[name] = hole
        self._first, *rest = re.split(f'"({"|".join(holes)})"', json.dumps(marked))
        self._rest = [
            (*holes[hole], text) for hole, text in zip(rest[::2], rest[1::2], strict=True)
        ]

    def fill(self, properties: Mapping[str, Any]) -> str:
        """Return the JSON of properties like those of the model, with texts and integers only."""
        pieces, headers = [self._first], properties[HEADERS]
        for in_headers, name, text in self._rest:
            value = (headers if in_headers else properties)[name]
            pieces += encode_basestring_ascii(value) if type(value) is str else str(value), text
        return "".join(pieces)


def encode_properties(properties: Mapping[str, Any]) -> str | bytes:
    """Return the properties as JSON: text, or bytes if a value needed Kombu's typed JSON.

    Typed values (dates, bytes, decimals) are rare, and reading them back is slow.
    """
    try:
        return json.dumps(properties)
    except TypeError:
        typed: str = typed_json.dumps(properties)
        return typed.encode()


def decode_properties(stored: str | bytes) -> dict[str, Any]:
    """Return the properties that ``encode_properties`` stored."""
    properties: dict[str, Any] = (
        json.loads(stored) if isinstance(stored, str) else typed_json.loads(stored)
    )
    return properties
