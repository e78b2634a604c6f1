"""Filing: letters by log-probability, JSON by schema, and the validation of descriptions."""

import json
import math
import re

import numpy as np
import pytest

from semacdr.errors import UserError
from semacdr.llm.requests import Answer
from semacdr.semantics import filing
from semacdr.semantics.quality import outliers, prose
from semacdr.stages.taxonomy import Category

GENRE = Category("Genre", "Which kind?", (("War", "soldiers"), ("Love story", ""), ("Other", "")))
MOOD = Category("Mood and tone", "Which feeling?", (("Wry", ""), ("Bleak", "")))


def test_lettered_options_stand_behind_their_letters():
    assert filing.lettered(GENRE) == "A. War\nB. Love story\nC. Other"
    many = Category("Many", "", tuple((f"s{n}", "") for n in range(21)))
    with pytest.raises(UserError, match=r"'Many' has 21 subcategories; semantics\.method letters takes up to 20"):
        filing.lettered(many)


def test_letter_scores_by_hand():
    answer = Answer(scores={"A": math.log(0.5), " B": math.log(0.2), "The": math.log(0.1), "Z": math.log(0.05)})
    scores, why = filing.letter_scores(answer, 3)
    assert why == ""
    probabilities = np.array([0.5, 0.2, 0.05])  # C was not returned: at most as likely as the last returned one
    np.testing.assert_allclose(np.exp(scores), probabilities / probabilities.sum())


def test_a_letter_told_in_two_ways_counts_both():
    scores, _ = filing.letter_scores(Answer(scores={"A": math.log(0.3), " A": math.log(0.3), "B.": math.log(0.2)}), 2)
    np.testing.assert_allclose(np.exp(scores), [0.75, 0.25])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(text="A"), "no log-probabilities"),
        (Answer(refusal="no", scores={"A": -1.0, "B": -2.0}), "refused"),
        (Answer(scores={"The": -0.1, "A": -3.0}), "no letters among the most likely tokens"),
        (Answer(scores={"D": -0.1, "E": -3.0}), "no letters among the most likely tokens"),
    ],
)
def test_letters_that_do_not_conform(answer, why):
    assert filing.letter_scores(answer, 3) == (None, why)


def test_calibration_takes_off_a_share_of_each_option_s_mean():
    scores = np.array([[0.0, -2.0], [-4.0, -2.0]])
    np.testing.assert_array_equal(filing.calibrated(scores, 1.0), [[2, 0], [-2, 0]])
    np.testing.assert_array_equal(filing.calibrated(scores, 0.5), [[1, -1], [-3, -1]])
    assert len(filing.calibrated(np.zeros((0,)), 1.0)) == 0


def test_the_schema_names_every_subcategory_and_nothing_else():
    content = filing.schema([GENRE, MOOD])["json_schema"]["schema"]
    assert content["required"] == ["Genre", "Mood and tone"]
    assert content["properties"]["Genre"]["items"]["enum"] == ["War", "Love story", "Other"]
    assert content["additionalProperties"] is False
    assert filing.schema([GENRE])["json_schema"]["strict"] is True


def said(**values):
    return Answer(text=json.dumps({name.replace("_", " "): value for name, value in values.items()}), finish="stop")


PARSE = filing.filing_parser([GENRE, MOOD], 2)


def test_a_filed_item_in_the_model_s_order_without_repeats_and_up_to_the_most():
    answer = said(Genre=["Other", "War", "Other", "Love story"], Mood_and_tone=["Bleak"])
    assert PARSE(answer) == ([["Other", "War"], ["Bleak"]], "")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(Genre=["Horror"], Mood_and_tone=["Wry"]), r"off the schema: Genre\.0 Input should be 'War'"),
        (said(Genre=["war"], Mood_and_tone=["Wry"]), r"off the schema: Genre\.0"),
        (said(Genre=[], Mood_and_tone=["Wry"]), "off the schema: Genre List should have at least 1"),
        (said(Genre=["War"]), "off the schema: Mood and tone Field required"),
        (said(Genre=["War"], Mood_and_tone=["Wry"], Era=["old"]), "off the schema: Era Extra inputs"),
        (said(Genre="War", Mood_and_tone=["Wry"]), "off the schema: Genre Input should be a valid array"),
        (Answer(text='{"Genre": ["War"], "Mood', finish="length"), "off the schema: .*Invalid JSON"),
        (Answer(text="War, I think.", finish="stop"), "off the schema: .*Invalid JSON"),
        (Answer(text="", finish="stop"), "empty"),
        (Answer(finish="stop"), "empty"),
        (Answer(refusal="I will not"), "refused"),
        (Answer(text="{}", finish="content_filter"), "refused"),
    ],
)
def test_json_that_does_not_conform(answer, why):
    value, found = PARSE(answer)
    assert value is None
    assert re.match(why, found), found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(text=" A novel of a whale\nand its captain. ", finish="stop"), "A novel of a whale and its captain."),
        (Answer(text="It is by Mr. Poe, of course. And then it", finish="length"), "It is by Mr. Poe, of course."),
        (Answer(text="One two three four five. " * 4, finish="stop"), " ".join(["One two three four five."] * 3)),
        (Answer(text="All the whales die here. It is by E. M. Forster", finish="length"), "All the whales die here."),
        (Answer(text="قصة عن الحب والحرب في مصر.", finish="stop"), "قصة عن الحب والحرب في مصر."),
    ],
)  # fmt: skip
def test_prose_ends_with_a_whole_sentence(answer, text):
    assert prose(answer, 15) == (text, "")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(text="one two three four five six seven", finish="length"), "too long"),
        (Answer(text="word " * 30, finish="stop"), "too long"),
        (Answer(text="A book.", finish="stop"), "too short"),
        (Answer(text="", finish="stop"), "too short"),
        (Answer(finish="stop"), "too short"),
        (Answer(text='{"description": "a b c d e f"}', finish="stop"), "not plain prose"),
        (Answer(text="Here:\n- one thing\n- another thing\n- more", finish="stop"), "not plain prose"),
        (Answer(text="I'm sorry, but I cannot describe this item.", finish="stop"), "refused"),
        (Answer(text="As an AI language model I do not know it.", finish="stop"), "refused"),
        (Answer(refusal="No.", finish="stop"), "refused"),
        (Answer(text="A fine book about a whale.", finish="content_filter"), "refused"),
    ],
)
def test_prose_that_does_not_conform(answer, why):
    assert prose(answer, 15) == (None, why)


PLAIN = "A novel of a whale and its captain."


@pytest.mark.parametrize(
    "text",
    [
        f"<think>The user wants a description. It is about a whale.</think>\n\n{PLAIN}",
        f"<think>\n\n</think>\n{PLAIN}",
        f"Okay, the user wants a text about a whale.\n</think>\n{PLAIN}",  # the template holds the opening tag
        f"<Thinking>- one\n- two</Thinking>{PLAIN}",
        f"[THINK]Hm.[/THINK]{PLAIN}",
    ],
)
def test_thoughts_before_a_description_are_removed(text):
    assert prose(Answer(text=text, finish="stop"), 15) == (PLAIN, "")


@pytest.mark.parametrize(
    "text",
    [
        "<think> Okay, the user wants a description. It is about a whale and its captain.",
        "<think> Okay, the user wants one. It is about a whale.</think> Or is it? <think> Let me see. Yes.",
        "[THINK] Okay, the user wants a description of a whale. Let me see.",
    ],
)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_thoughts_that_do_not_end_are_no_description(text, finish):
    assert prose(Answer(text=text, finish=finish), 60) == (None, "thoughts without an answer")
    assert PARSE(Answer(text=text, finish=finish)) == (None, "thoughts without an answer")


def test_an_answer_that_spent_its_tokens_on_hidden_thoughts_is_named():
    assert prose(Answer(text="", finish="length"), 15) == (None, "no text within the limit of tokens")


FILED = '{"Genre": ["War"], "Mood and tone": ["Wry"]}'


@pytest.mark.parametrize(
    "text",
    [
        FILED,
        f"```json\n{FILED}\n```",
        f"\n```\n{FILED}```\n",
        f"<think>War, I think.</think>\n{FILED}",
        f"<think>```json</think>\n```JSON\n{FILED}\n```",
    ],
)
def test_json_within_a_fence_or_after_thoughts_is_read(text):
    assert PARSE(Answer(text=text, finish="stop")) == ([["War"], ["Wry"]], "")


@pytest.mark.parametrize("text", [f"Here it is:\n```json\n{FILED}\n```", f"```json\n{FILED}", "```json\n{}\n```"])
def test_anything_but_one_fence_around_the_json_is_refused(text):
    assert PARSE(Answer(text=text, finish="stop"))[0] is None


def test_outliers_by_the_frequency_of_feature_words():
    subjects = ["whale", "castle", "garden", "soldier", "detective"]
    texts = {n: f"This story follows a {subjects[n % 5]} through danger and hope, part {n}." for n in range(30)}
    known = dict.fromkeys(texts, "Title: A story")
    assert outliers(texts, known.get, 0.25, 0.6) == {}
    texts[0] = "Nostromo nostromo nostromo nostromo danger story."
    texts[1] = "Zyx quopple brindlewurst flanjaxing morbulated."
    texts[2] = texts[3]
    texts[4] = "Grommet thistledown parsnip candlewick overmorrow."
    known[2] = "Title: Another story"
    known[4] = "Title: Grommet thistledown parsnip candlewick overmorrow"  # these words are in its metadata
    assert outliers(texts, known.get, 0.25, 0.6) == {
        0: "outlier: repeats one word",
        1: "outlier: most words are in no other description",
        2: "outlier: same text as another item",
        3: "outlier: same text as another item",
    }


def test_few_descriptions_say_nothing_about_rare_words_and_equal_items_may_share_a_text():
    texts = {0: "Alpha beta gamma delta epsilon.", 1: "Seven different words stand right here."}
    assert outliers(texts, lambda item: "", 0.25, 0.6) == {}
    same = {0: "A red kettle for tea.", 1: "A red kettle for tea."}
    assert outliers(same, lambda item: "Title: Kettle", 0.25, 0.6) == {}
