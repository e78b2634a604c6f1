"""Engine llm of stage taxonomy, through the stage's command: proposals, their merge, and what a run asks and costs."""

import json
from collections import Counter

import pytest
from induction_model import GOOD, TONES, TOPICS, names, proposal

from semacdr.errors import UserError
from semacdr.semantics.categories import read_taxonomy
from semacdr.semantics.naming import OTHER
from semacdr.stages import taxonomy


def test_a_taxonomy_is_proposed_merged_and_tested(stage, model):
    made = stage()
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}
    tone, topic = made.categories
    assert names(tone) == [*TONES, OTHER]  # Ornate, which no item uses, is dropped
    assert names(topic) == [*TOPICS, OTHER]
    assert tone.question == "Which tone is it?"
    content = json.loads(made.text)
    assert list(content) == ["scenario", "made_by", "categories"]
    assert content["scenario"] == "book_film"
    assert content["made_by"]["model"] == "m"
    assert content["made_by"]["cost"] == {  # of 2 proposals, their merge and 16 items
        "model": "m", "answers": 19, "prompt_tokens": 19 * 9, "completion_tokens": 19 * 9, "dollars": None,
    }  # fmt: skip
    assert made.text.decode() == json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    assert model.url not in made.text.decode()


def test_samples_hold_both_domains_and_the_merge_holds_the_proposals(stage, model):
    stage()
    first, second = (request.user for request in model.asked if request.step == "propose")
    assert first.count("A book item:") == first.count("A film item:") == second.count("A film item:") == 3
    titles = [{line for line in text.splitlines() if line.startswith("Title: ")} for text in (first, second)]
    assert len(titles[0] | titles[1]) >= 6
    (merge,) = (request for request in model.asked if request.step == "merge")
    assert "Proposal 1\nTone: Which tone is it?\n- Calm: what is calm" in merge.user and "Proposal 2" in merge.user
    assert "exactly 2 categories" in merge.user and "2 to 6 subcategories" in merge.user
    assert "book and film" in merge.system and "book, film, TV" in merge.system


def test_the_same_store_gives_the_same_bytes_without_a_request(stage, model):
    made = stage()
    model.asked.clear()
    again = stage(llm={"offline": True})
    assert model.asked == []
    assert (again.text, again.rows) == (made.text, made.rows)
    assert stage(store="other.sqlite").text == made.text  # and so does a model that answers the same
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}


def test_another_seed_draws_other_items(stage, model):
    stage()
    before = {request.user for request in model.asked}
    stage(seed=1)
    assert len({request.user for request in model.asked} - before) > 10


def test_an_answer_that_does_not_conform_is_requested_again_with_another_seed_and_the_reason(stage, model):
    bad = proposal(("Tone", ["Book lovers", "Calm"]), ("Topic", TOPICS))
    model.script["propose"] = lambda body: GOOD if body["seed"] else bad
    made = stage()
    seeds = Counter(request.seed for request in model.asked if request.step == "propose")
    assert seeds == {0: 2, 1: 2}
    asked = [request.user for request in model.asked if request.step == "propose"]
    first, again = asked[:2], asked[2:]
    why = "An earlier answer was refused: 'Book lovers' is named after 'book'. Answer anew"
    assert not any("refused" in user for user in first)
    assert sorted(user.partition("\n\nAn earlier")[0] for user in again) == sorted(first)
    assert all(why in user for user in again)
    assert [category.name for category in made.categories] == ["Tone", "Topic"]


def test_where_no_proposal_conforms_it_is_an_error_that_says_why(stage, model):
    model.script["propose"] = proposal(("Tone", ["Calm", "calm"]), ("Topic", TOPICS))
    why = "'Calm' and 'Calm' are the same name"
    with pytest.raises(UserError, match=f"no taxonomy: none of 2 proposals conforms in 3 attempts, .*: {why}"):
        stage()
    assert model.steps() == {"propose": 6}


def test_a_proposal_that_never_conforms_is_left_out(stage, model, caplog):
    stage()
    poor = min(request.user for request in model.asked if request.step == "propose")
    model.script["propose"] = lambda body: "no" if body["messages"][1]["content"].startswith(poor) else GOOD
    model.asked.clear()
    stage(store="other.sqlite")
    assert model.steps() == {"propose": 4, "file": 16}  # one proposal alone needs no merging
    assert "is left out, no answer conforms: off the schema" in caplog.text


def test_a_proposal_that_the_endpoint_refuses_is_an_error_and_the_others_are_kept(stage, model):
    """A taxonomy from only the answers that arrived would differ from the next run's."""
    stage()
    poor = min(request.user for request in model.asked if request.step == "propose")
    model.refuses = lambda body: body["messages"][1]["content"] == poor
    with pytest.raises(UserError, match=r"no taxonomy: proposal \d has no answer: .*400"):
        stage(store="other.sqlite")
    model.refuses = lambda body: False
    model.asked.clear()
    stage(store="other.sqlite")
    assert model.steps() == {"propose": 1, "merge": 1, "file": 16}


def test_a_merge_that_never_conforms_is_an_error_that_says_why(stage, model):
    model.script["merge"] = proposal(("Tone", TONES))
    with pytest.raises(UserError, match=r"none of 3 answers that merge them does, .*: 1 categories, not 2\. Set"):
        stage()
    assert stage(samples=1).categories[0].name == "Tone"  # where nothing is merged


def test_a_dry_run_asks_nothing_and_says_what_the_next_step_costs(stage, model, tmp_path, capsys):
    with pytest.raises(FileNotFoundError):  # nothing is written
        stage("--dry-run")
    assert model.asked == []
    out = capsys.readouterr().out
    assert "to ask                            2" in out and "all take up to 37" in out
    stage()
    stage("--dry-run")
    assert "take up to" not in capsys.readouterr().out


def test_an_edited_taxonomy_is_used_as_it_is(stage, model, tmp_path):
    made = stage()
    edited = made.text.replace(b'"Calm"', b'"Quiet books"')  # a user may choose this name
    made.path.write_bytes(edited)
    model.asked.clear()
    taxonomy.main(["--taxonomy", str(made.path), "--output", str(tmp_path / "t.json"), "--report", str(tmp_path / "r")])
    assert (tmp_path / "t.json").read_bytes() == edited
    assert (tmp_path / "r").read_text() == "test\tcategory\tsubcategory\tremark\trelease\n"
    assert names(read_taxonomy(tmp_path / "t.json")[0])[0] == "Quiet books"
    assert model.asked == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "taxonomy.samples: must be a whole number of at least 1, not 0"),
        ({"min_subcategories": 7}, "taxonomy.max_subcategories 6 is below min_subcategories 7"),
        ({"max_other": 1.5}, "taxonomy.max_other: must be a number of at least 0 and of at most 1, not 1.5"),
        ({"round": 1}, "taxonomy.round: there is no setting 'round'"),
        ({"items_per_sample": 1}, "taxonomy.items_per_sample: must be a whole number of at least 2, not 1"),
    ],
)
def test_a_wrong_setting_is_named(stage, model, settings, message):
    with pytest.raises(UserError, match=message):
        stage(**settings)
    assert model.asked == []


@pytest.mark.parametrize("options", [["--engine", "llm"], ["--engine", "file"], []])
def test_what_an_engine_reads_must_be_given(options):
    with pytest.raises(UserError, match=r"engine (file needs --taxonomy|llm needs --items)"):
        taxonomy.main([*options, "--output", "t.json"])


def test_the_settings_say_how_many_requests_there_are_at_most():
    settings = taxonomy.Settings(samples=2, test_items=10, revision_rounds=1, categories=3)
    assert settings.sizes() == [24, 24, 10, 10]
    assert settings.most_requests() == 2 + 1 + 20 + 3


def test_a_vocabulary_is_made_by_its_own_prompts_and_the_same_steps(stage, model):
    made = stage(kind="vocabulary")
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}
    assert [names(one) for one in made.categories] == [[*TONES, OTHER], [*TOPICS, OTHER]]
    content = json.loads(made.text)
    assert content["made_by"]["settings"]["kind"] == "vocabulary"
    assert list(content["made_by"]["prompts"]) == [
        "vocabulary_propose", "vocabulary_merge", "vocabulary_revise", "structured"
    ]  # fmt: skip
    (merge,) = (request for request in model.asked if request.step == "merge")
    assert "exactly 2 facets" in merge.user and "Proposal 1\nTone: Which tone is it?" in merge.user
    plain = json.loads(stage(store="plain.sqlite").text)
    assert list(plain["made_by"]["prompts"])[:3] == ["taxonomy_propose", "taxonomy_merge", "taxonomy_revise"]
    assert plain["categories"] == content["categories"]  # the scripted model answers both alike
