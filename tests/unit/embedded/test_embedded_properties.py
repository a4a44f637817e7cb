"""What the file keeps of a message's properties can be read back."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from proj.embedded.properties import Outline

TEXTS = ["", "text", 'it\'s "so"\n\\', "Grüße €", "\x00\ud800", "x" * 1000]
VALUES: list[Any] = [*TEXTS, None, True, 0, 1.5, [None, None], {}, {"a": [1]}]


@pytest.mark.parametrize("seed", range(20))
def test_an_outline_makes_the_json_of_properties_like_its_model(seed: int) -> None:
    """Whatever the texts are, and wherever they stand."""
    chance = random.Random(seed)  # noqa: S311 - seeded choices
    headers = {f"header-{number}": chance.choice(VALUES) for number in range(8)}
    model = {"priority": 0, "reply_to": "", "timestamp": 1, "application_headers": headers}
    varying = chance.sample(sorted(headers), 3)
    outline = Outline(model, varying, ["reply_to", "timestamp"])

    for _ in range(10):
        texts = {name: chance.choice(TEXTS) for name in varying}
        like = {
            **model,
            "application_headers": {**headers, **texts},
            "reply_to": chance.choice(TEXTS),
            "timestamp": chance.randrange(2**40),
        }
        assert outline.fill(like) == json.dumps(like)
