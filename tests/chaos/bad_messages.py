"""A catalogue of messages that break consumers, made from a seed: each with a name, all different.

Properties are built here, octet by octet, because no client library writes what it cannot read.
"""

from __future__ import annotations

import json
import pickle
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import pack
from typing import Any

from tests.chaos.bad_bytes import Value, properties_of

__all__ = ["BadMessage", "catalogue"]

JSON = b"application/json"
NOT_UTF8 = b"\xff\xfe\xe9odd"
FIVE_MEGABYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class BadMessage:
    """One message: ``routing_key`` is None for the work queue's own name."""

    name: str
    body: bytes
    properties: bytes
    routing_key: bytes | None = field(default=None)


def catalogue(seed: int) -> list[BadMessage]:
    """Return the catalogue of ``seed``, shuffled; every name contains its number."""
    source = random.Random(seed)  # noqa: S311 - the same messages again, not a secret
    kinds = [
        *_bodies(source),
        *_content_types(),
        *_content_encodings(),
        *_headers(),
        *_options(),
        *_protocol_1(),
        *_broken_text(),
        *_odd_tables(),
    ]
    messages = [_built(number, *kind) for number, kind in enumerate(kinds)]
    source.shuffle(messages)
    return messages


Kind = tuple[str, bytes, dict[str, Any], dict[str, Any]]
"""A name, a body, headers that replace the usual task headers, and properties likewise."""


def _built(
    number: int, name: str, body: bytes, headers: dict[str, Any], properties: dict[str, Any]
) -> BadMessage:
    name = f"bad-{number:03d}-{name}"
    usual = {"lang": "py", "task": "note", "id": str(uuid.UUID(int=number + 1)), "root_id": "r"}
    table = {} if headers.pop("no task headers", False) else usual
    table = {**table, **headers, "x-name": name}
    routing_key = properties.pop("routing key", None)
    written = {"content_type": JSON, "content_encoding": b"utf-8", "delivery_mode": 2, **properties}
    return BadMessage(
        name,
        body.replace(b"NAME", name.encode()),
        properties_of({"application_headers": table, **written}),
        routing_key,
    )


def _bodies(source: random.Random) -> Iterator[Kind]:
    whole = b'[["NAME"], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
    for number in range(12):
        yield f"noise-{number}", source.randbytes(source.randrange(1, 400)), {}, {}
        yield f"cut-{number}", whole[: source.randrange(1, len(whole) - 1)], {}, {}
    odd = ["", "null", "true", "1", '"text"', "[]", "[1]", "[1,2]", "[[],{}]", "[[],{},[1]]"]
    odd += ["[[],[],{}]", "[{},{},{}]", "[[],{},1]", "[[],{},{},{}]", '[["NAME"],{"x":1},{}]']
    odd += ['[["NAME",2,3],{},{}]', "[[],{},{}]", '["NAME",{},{}]', '[["NAME"],"",{}]', "{}"]
    odd += [
        '[["NAME",NaN],{},{"chord":NaN}]',
        '[[1e999],{},"x"]',
        '[["\\ud800NAME"],{"\\ud800":1},{}]',
    ]
    odd += [f"[[{'9' * 5000}],{{}},{{}}]", '\ufeff[["NAME"],{},{}]', '{"args":[]}', '{"args":1}']
    for number, text in enumerate(odd):
        yield f"odd-{number}", text.encode(), {}, {}
    for depth in (300, 500, 700, 900, 990, 3_000, 100_000):
        nested = b"[" * depth + b"]" * depth
        yield f"nested-{depth}", nested, {}, {}
        yield f"nested-argument-{depth}", b'[["NAME",' + nested + b"],{},{}]", {}, {}
        objects = b'{"a":' * depth + b"1" + b"}" * depth
        yield f"nested-keyword-{depth}", b'[["NAME"],{"x":' + objects + b"},{}]", {}, {}
    yield "large-noise", source.randbytes(FIVE_MEGABYTES), {}, {}
    yield "large-text", b'[["NAME", "' + b"x" * FIVE_MEGABYTES + b'"],{},{}]', {}, {}
    yield "large-cut", b'[["' + b"x" * FIVE_MEGABYTES, {}, {}
    yield "utf-16", '[["NAME"],{},{}]'.encode("utf-16"), {}, {}


def _content_types() -> Iterator[Kind]:
    body = b'[["NAME"],{},{}]'
    serialized = pickle.dumps([["never"], {}, {}])
    for number, kind in enumerate((b"application/x-python-serialize", b"application/data")):
        yield f"pickle-{number}", serialized, {}, {"content_type": kind}
    names = ["", "application/x-yaml", "application/x-msgpack", "application/x-unknown", "text/xml"]
    names += ["APPLICATION/JSON", "application/json; charset=utf-8", "x" * 255, "\0", "../../etc"]
    for number, name in enumerate(names):
        yield f"type-{number}", body, {}, {"content_type": name.encode()}
        plain = {"no task headers": True}
        yield f"plain-type-{number}", b"NAME\xff\xfe", plain, {"content_type": name.encode()}


def _content_encodings() -> Iterator[Kind]:
    names = ["", "binary", "latin-1", "utf-16", "utf-7", "idna", "base64", "rot13", "hex", "zip"]
    names += ["nonsense", "\0", "x" * 255, "unicode_escape", "undefined", "mbcs", "utf-8-sig"]
    for number, name in enumerate(names):
        encoding = {"content_encoding": name.encode()}
        yield f"encoding-{number}", b'[["NAME"],{},{}]', {}, encoding
        plain = {"content_type": b"text/plain", **encoding}
        if name != "utf-16":  # Any even number of octets is text there.
            yield f"plain-encoding-{number}", b"NAME\xe9\xff", {"no task headers": True}, plain


ODD_VALUES: list[Any] = [7, -1, 2**63 - 1, True, None, "", "\0", 1.5, [], ["x"], {}, {"a": 1}]
ODD_VALUES += [b"\xff\xfe", "x" * 20_000, Value("T", pack(">Q", 1)), Value("D", b"\x02\0\0\0\x07")]


def _headers() -> Iterator[Kind]:
    body = b'[["NAME"],{},{}]'
    for name in ("task", "id", "timelimit", "shadow", "expires", "compression"):
        for number, value in enumerate(ODD_VALUES):
            yield f"{name}-{number}", body, {name: value}, {}
    rest = [
        "retries",
        "group",
        "root_id",
        "parent_id",
        "argsrepr",
        "kwargsrepr",
        "origin",
        "stamps",
    ]
    rest += ["stamped_headers", "ignore_result", "replaced_task_nesting", "lang", "args"]
    rest += ["kwargs", "properties", "delivery_info", "hostname", "callbacks", "chord", "self"]
    for name in rest:
        for number, value in enumerate((5, "abc", [1, {}], {"a": []}, b"\xff")):
            yield f"{name}-{number}", body, {name: value}, {}
    limits = ["ab", ["a", "b"], [-1, -1], [1e308, None], [1], [1, 2, 3], [True, False], [0, 0]]
    for number, value in enumerate(limits):
        yield f"limits-{number}", body, {"timelimit": value}, {}
    for number, time in enumerate(("soon", "2026-99-99", "0001-01-01T00:00:00+23:59", "T", "1e9")):
        yield f"eta-{number}", body, {"eta": time}, {}
        yield f"expires-text-{number}", body, {"expires": time}, {}
    for number, name in enumerate(("zlib", "bzip2", "application/x-gzip", "none", "x" * 300)):
        yield f"compressed-{number}", body, {"compression": name}, {}
    for number, value in enumerate(("many", -3, 2**62, [], 1.5)):
        yield f"attempts-{number}", body, {"x-attempts": value}, {}
        yield f"broker-count-{number}", body, {"x-delivery-count": value}, {}


def _options() -> Iterator[Kind]:
    for name in ("callbacks", "errbacks", "chain", "chord"):
        for number, value in enumerate((5, "x", [5], [{}], {"task": 1}, [["a"]])):
            body = json.dumps([["NAME"], {}, {name: value}]).encode()
            yield f"option-{name}-{number}", body, {}, {}


def _protocol_1() -> Iterator[Kind]:
    usual = {"task": "note", "id": "old", "args": ["NAME"], "kwargs": {}}
    odd: list[dict[str, Any]] = [{}, {"task": 5}, {"task": []}, {"task": "unknown"}, {"id": None}]
    odd += [{"id": 5}, {"id": []}, {"args": 5}, {"args": "NAME"}, {"args": {}}, {"kwargs": []}]
    odd += [{"kwargs": None}, {"args": None}, {"expires": "x"}, {"expires": []}, {"eta": "x"}]
    odd += [{"timelimit": "x"}, {"timelimit": [1, "x"]}, {"retries": "x"}, {"utc": "x"}]
    odd += [{"callbacks": 5}, {"chord": 5}, {"taskset": []}, {"errbacks": {}}]
    for number, change in enumerate(odd):
        body = json.dumps({**usual, **change}).encode()
        yield f"protocol-1-{number}", body, {"no task headers": True}, {}
        yield f"hybrid-{number}", body, {}, {}


def _broken_text() -> Iterator[Kind]:
    body = b'[["NAME"],{},{}]'
    texts = ["content_type", "content_encoding", "correlation_id", "reply_to", "message_id"]
    for name in (*texts, "type", "app_id"):
        yield f"not-utf8-{name}", body, {}, {name: NOT_UTF8}
        yield f"plain-not-utf8-{name}", b"NAME", {"no task headers": True}, {name: NOT_UTF8}
    yield "not-utf8-routing-key", body, {}, {"routing key": NOT_UTF8}
    yield "plain-not-utf8-routing-key", b"NAME", {}, {"routing key": NOT_UTF8 * 20}


def _odd_tables() -> Iterator[Kind]:
    body = b'[["NAME"],{},{}]'
    values: dict[str, Any] = {
        "date-far": Value("T", pack(">Q", 2**63 - 1)),
        "date-farther": Value("T", pack(">Q", 2**64 - 1)),
        "date-year-10000": Value("T", pack(">Q", 253_402_300_800)),
        "decimal": Value("D", b"\xff\x7f\xff\xff\xff"),
        "float-nan": Value("d", pack(">d", float("nan"))),
        "float-short": Value("f", pack(">f", float("inf"))),
        "bytes": Value("x", pack(">I", 3) + b"\xff\0\xfe"),
        "short": Value("s", pack(">h", -2)),
        "octet": Value("b", b"\x80"),
        "unsigned-octet": Value("B", b"\xff"),
        "unsigned-short": Value("u", b"\xff\xff"),
        "unsigned": Value("i", b"\xff\xff\xff\xff"),
        "not-utf8": b"\xff\xfe\xfd",
        "array-of-everything": [1, None, True, "x", [[]], {"a": {"b": {}}}, 1.5, b"\xff"],
        "large": "x" * 90_000,
        "fills-the-frame": "x" * 130_500,
    }
    for name, value in values.items():
        yield f"table-{name}", body, {"odd": value}, {}
    for depth in (100, 900, 1_500):
        yield f"table-nested-{depth}", body, {"odd": Value.nested("F", depth)}, {}
        yield f"array-nested-{depth}", body, {"odd": Value.nested("A", depth)}, {}
    for number, key in enumerate((b"", b"\xff\xfe", b"k" * 255, b"\0", b"task\0")):
        yield f"table-key-{number}", body, {key: "x"}, {}  # type: ignore[dict-item]
    yield "table-wide", body, {f"header-{number}": number for number in range(3_000)}, {}
    for number, mode in enumerate((0, 1, 7, 255)):
        yield f"delivery-mode-{number}", body, {}, {"delivery_mode": mode}
        yield f"priority-{number}", body, {}, {"priority": mode}
    yield "timestamp", body, {}, {"timestamp": 2**64 - 1}
    yield "no-properties", b"NAME", {"no task headers": True}, {"content_type": b""}
    yield "carbon-copy", body, {"CC": ["nowhere", "task_queue"], "odd": "x"}, {}
    yield "time-to-live", b"[[NAME", {}, {"expiration": b"86400000"}
