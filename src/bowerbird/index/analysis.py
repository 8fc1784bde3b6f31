"""Words as the lexical index sees them: folded, stemmed in their language, and hashed to 64 bits.

Scripts without spaces (Chinese, Japanese, Korean, Thai) become overlapping pairs of characters. An item is stemmed
in its own language; a query, whose language is often unclear, in every language that it may be in. Each word of a
query is therefore a set of alternatives.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Container, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from bowerbird.embeddings import Sparse
from bowerbird.index.function_words import function_words
from bowerbird.index.language import guess_language

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PAIRED = f"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff{_HAN}\uac00-\ud7af"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
"""Accents and vowel signs that belong to a word although they are no letters; the scripts of India as a whole."""
_TOKEN = re.compile(rf"[{_PAIRED}]+|(?:[^\W{_PAIRED}]|[{_MARKS}])+")
_FIRST_PAIRED = re.compile(rf"[{_PAIRED}]")
_ONE_HAN = re.compile(rf"[{_HAN}]")
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sv": "swedish", "tr": "turkish",
}  # fmt: skip
_PLAIN = str.maketrans({"ı": "i", "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
MAX_WORD = 64
"""Longer runs of letters are no words; they are cut."""
ENOUGH_WORDS = 2
"""A query with so many words of content is searched by them alone; "die hard" and "the who" keep all their words."""


def words(text: str) -> list[tuple[str, int, int]]:
    """Every word with its character span; a run of a script without spaces gives its overlapping pairs."""
    found = []
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if _FIRST_PAIRED.match(match.group()) and end - start > 1:
            found += [(text[at : at + 2], at, at + 2) for at in range(start, end - 1)]
        else:
            found.append((text[start : min(end, start + MAX_WORD)], start, end))
    return found


def terms(text: str, language: str = "") -> list[int]:
    """The hashed terms of an item's text. The language is guessed where it is not given.

    Chinese characters are terms by themselves too: many are words, and a query may be a single one.
    """
    language = language or guess_language(text)
    normal = unicodedata.normalize("NFKC", text)
    hashed = [_hash(_stem(word, language)) for word, _, _ in words(normal)]
    return hashed if normal.isascii() else hashed + [_hash(char) for char in _ONE_HAN.findall(normal)]


def term_counts(texts: Sequence[str], languages: Sequence[str]) -> Sparse:
    """How often each term stands in each text: what the lexical index is built from."""
    counts = [Counter(terms(text, language)) for text, language in zip(texts, languages, strict=True)]
    return Sparse(
        np.array([term for one in counts for term in one], np.uint64),
        np.array([number for one in counts for number in one.values()], np.float32),
        np.concatenate([[0], np.cumsum([len(one) for one in counts])]).astype(np.int64),
    )


def query_terms(text: str, languages: Sequence[str]) -> list[tuple[int, ...]]:
    """Per word of a query its alternatives: one hashed stem per language that the words may be in.

    languages: those of the collection. Function words are left out of a query that says enough without them.
    """
    normal = unicodedata.normalize("NFKC", text)
    guess = guess_language(normal)
    # "" finds items whose own language could not be told; they are not stemmed
    candidates = ["", guess] if guess in languages else ["", *languages, guess]
    found = [word for word, _, _ in words(normal)]
    telling = [word for word in found if not _is_function_word(word, candidates)]
    if len(telling) >= ENOUGH_WORDS:
        found = telling
    return [tuple({_hash(_stem(word, language)) for language in candidates}) for word in found]


def _is_function_word(word: str, languages: Sequence[str]) -> bool:
    """In capitals it is an abbreviation: WHO, US, IT."""
    if word.isupper() and len(word) > 1:
        return False
    return any(word.lower() in function_words(language) for language in languages)


def matching_words(text: str, wanted: Container[int], language: str) -> list[tuple[int, int, int]]:
    """The words of `text` whose term is wanted: start, end, term."""
    hashed = ((start, end, _hash(_stem(word, language))) for word, start, end in words(text))
    return [found for found in hashed if found[2] in wanted]


@lru_cache(200_000)
def _stem(word: str, language: str) -> str:
    """The word in lower case without ending and accents. Letters that Unicode cannot take apart are spelt plainly."""
    folded = word.casefold()
    stemmer = _stemmer(language)
    if stemmer is not None and not _FIRST_PAIRED.match(folded):
        folded = stemmer.stemWord(folded)
    if folded.isascii():
        return folded
    if _FIRST_PAIRED.match(folded):
        return folded
    apart = unicodedata.normalize("NFKD", folded)
    return "".join(char for char in apart if not unicodedata.combining(char)).translate(_PLAIN)


@cache
def _stemmer(language: str) -> Any:
    if language not in STEMMERS:
        return None
    import snowballstemmer

    return snowballstemmer.stemmer(STEMMERS[language])


@lru_cache(500_000)
def _hash(term: str) -> int:
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
