"""Where sentences end, in scripts of many kinds."""

from __future__ import annotations

import re

_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|[a-z]|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|al|Fig|Tab|Eq|Sec|Ch|Vol|pp|ca|bzw|Abs|Art|Inc|Ltd|Jr|Sr|"
    r"e\.g|i\.e|z\.B|d\.h|u\.a|M|Mme|Sra|ул|стр|рис|г))\.$"
)
_END = re.compile(
    r"[.!?…]+[\"'”’»)\]]*(?=\s)"  # alphabets: a space follows
    r"|[。！？]+[」』”’）]*"  # Chinese and Japanese: none does
    r"|[؟۔।॥]+(?=\s|$)"
    r"|\n+"
)
_STARTS_LOW = re.compile(r"\s*[a-zà-öø-ÿа-я]")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Character spans of the sentences of a text, in order, without the white space around them."""
    spans, start = [], 0
    for match in _END.finditer(text):
        end = match.end()
        full_stop = match.group().startswith(".")
        if full_stop and (_ABBREVIATION.search(text[max(0, end - 8) : end]) or _STARTS_LOW.match(text, end)):
            continue
        spans.append((start, end))
        start = end
    spans.append((start, len(text)))
    return [span for span in (_stripped(text, *span) for span in spans) if span[0] < span[1]]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
