"""docs/wrong-inputs.md says what stage preprocess answers to wrong tables of your own."""

from wrong_inputs import CASES, PAGE, page


def test_the_page_is_what_the_code_answers():
    assert page() == PAGE.read_text(encoding="utf-8"), "run python tests/helpers/wrong_inputs.py and read what changed"
    assert sum(map(len, CASES.values())) >= 40
