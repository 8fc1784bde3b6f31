from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowerbird.index.analysis import MAX_WORD, STEMMERS, matching_words, query_terms, term_counts, terms, words
from bowerbird.index.function_words import function_words
from bowerbird.index.language import SMALL_WORDS, guess_language

SENTENCES = {
    "en": ("The foxes were jumping over the lazy dogs in the garden.", "jump fox"),
    "de": ("Die alten Häuser wurden nach dem Krieg mit neuen Dächern gebaut.", "Haus Dach"),
    "fr": ("Les rivières traversent la ville et les anciennes forêts du pays.", "rivière ancienne forêt"),
    "es": ("Los trenes llegaron tarde a la estación de la ciudad por la lluvia.", "tren estaciones"),
    "it": ("I gatti dormono nelle case della città e non sono molto rumorosi.", "gatto casa"),
    "ru": ("Старые дома были построены на берегу реки, и в них не было окон.", "дом река"),
    "tr": ("Evlerin bahçeleri çok güzel ve bu bahçelerde ağaçlar için yer var.", "bahçe ağaç"),
    "ar": ("كانت المدارس في المدينة كبيرة وفيها كتب كثيرة.", "المدرسة كتب"),
    "hi": ("लड़के बगीचे में खेल रहे थे और लड़कियाँ किताबें पढ़ रही थीं।", "लड़का किताब"),
    "zh": ("老房子在战争之后建起了新的屋顶。", "屋顶"),
    "ja": ("京都の古いお寺には美しい庭園があります。", "庭園"),
    "ko": ("서울의 오래된 궁궐에는 아름다운 정원이 있습니다.", "정원"),
    "th": ("วัดเก่าในกรุงเทพมีสวนที่สวยงาม", "สวน"),
}
"""Per language a sentence and other forms of words in it."""
NO_STEMS = {"zh", "ja", "ko", "th"}


@pytest.mark.parametrize("language", SENTENCES)
def test_language_is_guessed_and_a_word_of_the_query_found(language: str) -> None:
    text, query = SENTENCES[language]
    assert guess_language(text) == language
    stored = set(terms(text))
    found = [set(word) & stored for word in query_terms(query, [language])]
    assert sum(map(bool, found)) >= 1, "no word of the query is in the text"
    if language in {"en", "fr", "it", *NO_STEMS}:
        assert all(found)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Straße in München", "STRASSE munchen"),
        ("ﬁnancial ２０２４", "financial 2024"),
        ("café", "cafe\u0301"),
        ("Łódź Ørsted", "lodz orsted"),
        ("IRMAK", "ırmak"),
        ("தமிழ் மொழி", "தமிழ்"),
        ("pages 12/13 of CV-2021", "cv 2021 13"),
        ("ใน\u0e01\u0e23\u0e38\u0e07เทพ", "กรุงเทพ"),
        ("一只猫和一条狗", "猫"),
        ("ភាសាខ្មែរ", "ខ្មែរ"),
    ],
)
def test_spellings_that_mean_the_same(stored: str, asked: str) -> None:
    there = set(terms(stored, ""))
    assert all(set(word) & there for word in query_terms(asked, []))


def test_items_in_any_language_of_the_collection_are_found_by_a_short_query() -> None:
    """One word tells no language: its stem in every language of the collection is tried, and the word itself."""
    alternatives = query_terms("nationalen", ["en", "de", "ru"])
    assert len(alternatives) == 1
    for text, language in (("nationale", "de"), ("nationalen", "en"), ("nationalen", "")):
        assert set(terms(text, language)) & set(alternatives[0])


def test_an_item_of_unknown_language_is_found_by_a_question_in_a_known_one() -> None:
    caption = set(terms("dogs", ""))
    assert any(set(word) & caption for word in query_terms("which of the pictures show dogs", ["en"]))


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("how many people were murdered in 1940?", 3),
        ("the who", 2),
        ("die hard", 2),
        ("what is it", 3),
        ("WHO report on the Ebola outbreak", 4),
        ("Wie viele Menschen wurden in München getötet?", 3),
        ("¿Cuántas personas viven en Madrid?", 3),
    ],
)
def test_function_words_are_left_out_where_enough_remains(query: str, left: int) -> None:
    assert len(query_terms(query, ["en", "de", "es"])) == left


def test_every_list_of_function_words_is_in_lower_case_and_holds_the_small_words() -> None:
    for language, small in SMALL_WORDS.items():
        assert set(small.split()) <= function_words(language)
        assert all(word == word.lower() for word in function_words(language))


@given(st.text(max_size=200))
def test_words_lie_where_they_say(text: str) -> None:
    for word, start, end in words(text):
        assert 0 <= start < end <= len(text)
        assert text[start:end].startswith(word)
        assert len(word) <= MAX_WORD


@given(st.text(max_size=200), st.sampled_from(["", *STEMMERS, "zh", "xx"]))
def test_any_text_has_terms_and_finds_itself(text: str, language: str) -> None:
    stored = terms(text, language)
    assert stored == terms(text, language)
    assert all(0 <= term < 2**64 for term in stored)
    counts = term_counts([text, "", text], [language] * 3)
    assert counts.offsets[1] == counts.offsets[2] == len(set(stored))
    assert counts.weights.sum() == 2 * len(stored)
    query_terms(text, [language])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60))
def test_matching_words_are_those_of_the_query(text: str) -> None:
    wanted = {term for word in query_terms(text, []) for term in word}
    for start, end, term in matching_words(text, wanted, ""):
        assert term in wanted
        assert text[start:end].strip()


def test_hostile_lengths_are_cut() -> None:
    assert len(terms("x" * 1_000_000, "en")) == 1
    assert [end - start for _, start, end in words("y" * 5000)] == [5000]
