"""Which language a text is in, by its script and its most frequent small words: cheap, and honest when unsure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

SMALL_WORDS = {
    "en": "the of and to in is that for it was with as on be by this are from at or an which not have what how",
    "de": "der die und das den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden wie was",
    "fr": "le la les des et du en un une est que dans qui pour au par sur pas plus ce avec sont quel quelle",
    "es": "el la los las de y del en un una es que por con para se su al lo como más qué cuál fue",
    "it": "il la di che e è un una del della per con non sono gli nel dei le si da come anche quale",
    "pt": "o a os as de e do da em um uma é que para com não por no na dos se mais como qual",
    "nl": "de het een en van in is dat op te voor met zijn niet aan er ook als bij door wordt welke",
    "sv": "och att det som en på är av för med den till inte om ett han var från har vad hur",
    "cs": "a se v na je že s z do to o k i ve pro by jsou jako jeho který po od při byl",
    "pl": "w i na z do się nie jest to że o od po jak przez dla są oraz ale jego który",
    "tr": "ve bir bu da de için ile olarak olan daha çok en gibi kadar sonra ne hangi kaç olduğu",
    "vi": "và của là các có được trong cho không một người những với để này đã từ khi nào gì",
    "ru": "и в не на что с по как из у от за для это был его к о а но или они который",
    "uk": "і в не на що з по як у від за для це був його до та але або вони який є",
}
_LANGUAGES_OF_WORD: dict[str, list[str]] = {}
for _language, _words in SMALL_WORDS.items():
    for _word in _words.split():
        _LANGUAGES_OF_WORD.setdefault(_word, []).append(_language)

_SCRIPTS = (
    ("HIRAGANA", "ja"),
    ("KATAKANA", "ja"),
    ("HANGUL", "ko"),
    ("CJK", "zh"),
    ("CYRILLIC", "ru"),
    ("ARABIC", "ar"),
    ("DEVANAGARI", "hi"),
    ("GREEK", "el"),
    ("HEBREW", "he"),
    ("THAI", "th"),
)
_SAMPLE = 4000
_WORD = re.compile(r"[^\W\d_]+")


def guess_language(text: str) -> str:
    """An ISO 639-1 code, or "" where the text is too short or mixed to tell."""
    sample = text[:_SAMPLE]
    script = "" if sample.isascii() else _script(sample)
    if script and script != "ru":
        return script
    words = _WORD.findall(sample.lower())
    votes: Counter[str] = Counter()
    for word in words:
        speakers = _LANGUAGES_OF_WORD.get(word, ())
        for language in speakers:
            votes[language] += 1 / len(speakers)  # type: ignore[assignment]
    if not votes:
        return script
    (best, count), *others = votes.most_common(2)
    runner_up = others[0][1] if others else 0
    return best if count >= max(1, 0.05 * len(words)) and count > 1.2 * runner_up else script


def _script(sample: str) -> str:
    """The language of the prevailing script, where a script means a language; Cyrillic is taken for Russian."""
    letters = [char for char in sample[:500] if char > "\x7f" and char.isalpha()]
    names = Counter(unicodedata.name(char, "?").split(" ")[0].split("-")[0] for char in letters)
    total = sum(1 for char in sample[:500] if char.isalpha())
    for script, language in _SCRIPTS:
        share = names[script] / max(total, 1)
        # a few kana among many Chinese characters make a text Japanese
        if share > (0.1 if language == "ja" else 0.4):
            return language
    return ""
