"""Engine llm of stage taxonomy, through the stage's command and a scripted model on loopback."""

import csv
import json
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pytest
from loopback import Handler, Server

from semacdr import tables, taxonomy
from semacdr.categories import read_taxonomy
from semacdr.engines.induction import Settings
from semacdr.engines.naming import OTHER
from semacdr.errors import UserError

TONES, TOPICS = ("Calm", "Tense", "Funny", "Bleak"), ("War", "Love", "Travel", "Crime")
SETTINGS = {"categories": 2, "min_subcategories": 2, "max_subcategories": 6, "samples": 2, "items_per_sample": 6}
SETTINGS |= {"test_items": 16, "rounds": 1}
STEPS = {"A sample of the catalogue": "propose", "Merge these into": "merge", "Improve the category": "revise"}


def catalogue(each=120):
    """Books and films whose titles say under which tone and topic they belong."""
    names = [(tone, topic) for tone in TONES for topic in TOPICS]
    rows = []
    for domain in ("book", "film"):
        for number in range(each):
            tone, topic = names[number % len(names)]
            row = {"item": len(rows), "item_id": f"{domain}{number}", "domain": domain}
            row |= {"title": f"{tone} {topic} {number}", "brand": "", "categories": [f"{domain}s", topic]}
            rows.append(row | {"description": "A work."})
    return rows


def proposal(*categories):
    """An answer of categories, each a name and the names of its subcategories."""
    made = []
    for name, names in categories:
        listed = [{"name": one, "description": f"what is {one.lower()}"} for one in names]
        made.append({"name": name, "question": f"Which {name.lower()} is it", "subcategories": listed})
    return {"categories": made}


GOOD = proposal(("Tone", [*TONES, "Ornate"]), ("Topic", TOPICS))


class Model(Server):
    """A language model that answers by script: a function of the request's body for each step."""

    protocol = "HTTP/1.1"

    def __init__(self):
        self.asked = []
        self.refuses = lambda body: False
        self.script = {"propose": GOOD, "merge": GOOD, "revise": GOOD, "file": self.file}
        super().__init__()

    def post(self, handler: Handler):
        body = json.loads(handler.body())
        if self.refuses(body):
            return handler.send_error(400)
        message = {"role": "assistant", "content": self.answer(body)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        said = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        handler.respond_json(200, said | {"usage": usage})

    def answer(self, body):
        """The content of an answer: of a step's constant, or of its function of the body."""
        user = body["messages"][1]["content"]
        step = next((name for sign, name in STEPS.items() if sign in user), "file")
        system = body["messages"][0]["content"]
        self.asked.append(SimpleNamespace(step=step, seed=body["seed"], user=user, system=system))
        said = self.script[step]
        said = said(body) if callable(said) else said
        return said if isinstance(said, str) else json.dumps(said)

    @staticmethod
    def file(body):
        """Every subcategory whose name stands in the item's title, or Other."""
        title = next(line for line in body["messages"][1]["content"].splitlines() if line.startswith("Title: "))
        properties = body["response_format"]["json_schema"]["schema"]["properties"]
        options = {category: content["items"]["enum"] for category, content in properties.items()}
        return {c: [name for name in names if name.lower() in title.lower()] or [OTHER] for c, names in options.items()}

    def steps(self):
        return Counter(request.step for request in self.asked)


@pytest.fixture
def model():
    with Model() as model:
        yield model


@pytest.fixture
def stage(model, tmp_path):
    """Run the stage on the catalogue; return its output's bytes, categories, and the report's rows."""
    meta = {"release": "handmade", "scenario": "book_film"}
    tables.write(pa.Table.from_pylist(catalogue()), tmp_path / "items.parquet", "items", meta)

    def runner(*options, store="answers.sqlite", **settings):
        out = tmp_path / "out"
        argv = ["--engine", "llm", "--items", tmp_path / "items.parquet", "--avoid", "Books", "Films_and_TV"]
        argv += ["--settings", json.dumps(SETTINGS | settings), "--output", out / "taxonomy.json"]
        argv += ["--report", out / "taxonomy.tsv", "--model", "m", "--parameters", '{"temperature": 0}']
        argv += ["--store", tmp_path / store, "--endpoint", model.url, *options]
        taxonomy.main([str(word) for word in argv])
        with (out / "taxonomy.tsv").open() as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        path = out / "taxonomy.json"
        return SimpleNamespace(path=path, text=path.read_bytes(), categories=read_taxonomy(path), rows=rows)

    return runner


def names(category):
    return [name for name, _ in category.subcategories]


def test_a_taxonomy_is_proposed_merged_and_tested(stage, model):
    made = stage()
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}
    tone, topic = made.categories
    assert names(tone) == [*TONES, OTHER]  # Ornate, which no item needs, is gone
    assert names(topic) == [*TOPICS, OTHER]
    assert tone.question == "Which tone is it?"
    content = json.loads(made.text)
    assert list(content) == ["scenario", "made_by", "categories"]
    assert content["scenario"] == "book_film"
    assert content["made_by"]["model"] == "m"
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
    again = stage("--offline")
    assert model.asked == []
    assert (again.text, again.rows) == (made.text, made.rows)
    assert stage(store="other.sqlite").text == made.text  # and so does a model that answers the same
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}


def test_another_seed_draws_other_items(stage, model):
    stage()
    before = {request.user for request in model.asked}
    stage(seed=1)
    assert len({request.user for request in model.asked} - before) > 10


def test_what_does_not_conform_is_asked_again_with_another_seed(stage, model):
    bad = proposal(("Tone", ["Book lovers", "Calm"]), ("Topic", TOPICS))
    model.script["propose"] = lambda body: GOOD if body["seed"] else bad
    made = stage()
    seeds = Counter(request.seed for request in model.asked if request.step == "propose")
    assert seeds == {0: 2, 1: 2}
    assert [category.name for category in made.categories] == ["Tone", "Topic"]


def test_where_no_proposal_conforms_it_is_an_error_that_says_why(stage, model):
    model.script["propose"] = proposal(("Tone", ["Calm", "calm"]), ("Topic", TOPICS))
    why = "'Calm' and 'Calm' are the same name"
    with pytest.raises(UserError, match=f"no taxonomy: none of 2 proposals conforms in 3 tries, .*: {why}"):
        stage()
    assert model.steps() == {"propose": 6}


def test_a_proposal_that_never_conforms_is_left_out(stage, model, caplog):
    stage()
    poor = min(request.user for request in model.asked if request.step == "propose")
    model.script["propose"] = lambda body: "no" if body["messages"][1]["content"] == poor else GOOD
    model.asked.clear()
    stage(store="other.sqlite")
    assert model.steps() == {"propose": 4, "file": 16}  # one proposal alone needs no merging
    assert "is left out, no answer conforms: off the schema" in caplog.text


def test_a_proposal_that_the_endpoint_refuses_is_an_error_and_the_others_are_kept(stage, model):
    """A taxonomy of those that came would not be the one that the next run makes."""
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
    with pytest.raises(UserError, match=r"none of 3 answers that merge them does, .*: 1 categories, not 2\. With"):
        stage()
    assert stage(samples=1).categories[0].name == "Tone"  # where nothing is merged


def test_items_that_cannot_be_filed_are_told_and_where_none_can_it_is_an_error(stage, model, caplog):
    def file(body):
        return "no" if "War" in body["messages"][1]["content"] else Model.file(body)

    model.script["file"] = file
    made = stage(rounds=0)
    (row,) = (row for row in made.rows if row["subcategory"] == "(not filed)")
    assert int(row["book"]) + int(row["film"]) > 0
    assert row["remark"].startswith("off the schema")
    assert "of the last test's items could not be filed" in caplog.text
    model.script["file"] = "no"
    with pytest.raises(UserError, match="no taxonomy: none of 16 test items could be filed: off the schema"):
        stage(store="none.sqlite")


POOR = proposal(("Tone", ["Calm", "Tense"]), ("Topic", TOPICS))


def test_a_category_that_too_many_items_do_not_fit_is_revised_by_those_items(stage, model, caplog):
    model.script["merge"] = POOR
    model.script["revise"] = proposal(("Tone", TONES))
    made = stage()
    assert model.steps() == {"propose": 2, "merge": 1, "file": 32, "revise": 1}
    (revise,) = (request.user for request in model.asked if request.step == "revise")
    shown = [line for line in revise.splitlines() if line.startswith("Title: ")]
    assert shown and all(line.split()[1] in ("Funny", "Bleak") for line in shown)
    assert "Tone: Which tone is it?\n- Calm" in revise and "Topic: Which topic is it?\n- War" in revise
    assert names(made.categories[0]) == [*TONES, OTHER]
    other = [row["remark"] for row in made.rows if (row["category"], row["subcategory"]) == ("Tone", OTHER)]
    assert other == ["31% fit nothing else, more than 10%", "0% fit nothing else"]
    assert "fit only Other" not in caplog.text
    assert len({request.user for request in model.asked if request.step == "file"}) == 32  # each test's items are new


def test_what_is_still_unmet_after_the_last_round_is_a_warning_with_numbers(stage, model, caplog):
    model.script["merge"] = POOR
    model.script["revise"] = proposal(("Tone", ["Calm", "War"]))  # a name of the other category
    made = stage()
    assert model.steps()["revise"] == 3
    assert "Tone stays unrevised, no answer conforms: 'War' and 'War' are the same name" in caplog.text
    assert "Tone: 6 of 16 test items fit only Other, more than 10 %" in caplog.text
    assert names(made.categories[0]) == ["Calm", "Tense", OTHER]


def test_what_no_item_needs_stays_where_too_little_would_be_left_and_is_told(stage, model, caplog):
    model.script["merge"] = proposal(("Tone", ["Ornate", "Calm", "Plain", "Gaudy"]), ("Topic", TOPICS))
    made = stage(rounds=0, min_subcategories=3, max_other=1.0)
    assert names(made.categories[0]) == ["Ornate", "Calm", "Plain", OTHER]
    assert "Tone: no test item uses Ornate, Plain, kept to have 3" in caplog.text


def test_without_rounds_nothing_is_revised(stage, model, caplog):
    model.script["merge"] = POOR
    stage(rounds=0)
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}
    assert "Tone: 12 of 16 test items fit only Other" in caplog.text


def test_the_report_counts_the_items_of_each_domain(stage):
    rows = {(row["category"], row["subcategory"]): row for row in stage().rows}
    listed = {"Tone": [*TONES, "Ornate", OTHER], "Topic": [*TOPICS, OTHER]}
    assert list(rows) == [(category, name) for category, below in listed.items() for name in below]
    for category in ("Tone", "Topic"):
        for domain in ("book", "film"):
            assert sum(int(row[domain]) for (c, _), row in rows.items() if c == category) == 8
    assert rows["Tone", "Ornate"]["remark"] == "dropped: no book and no film item"


def test_a_dry_run_asks_nothing_and_says_what_the_next_step_costs(stage, model, tmp_path, capsys):
    with pytest.raises(FileNotFoundError):  # nothing is written
        stage("--dry-run")
    assert model.asked == []
    out = capsys.readouterr().out
    assert "to ask                            2" in out and "up to 37 in all" in out
    stage()
    stage("--dry-run")
    assert "up to" not in capsys.readouterr().out


def test_an_edited_taxonomy_is_used_as_it_is(stage, model, tmp_path):
    made = stage()
    edited = made.text.replace(b'"Calm"', b'"Quiet books"')  # a person may name it so
    made.path.write_bytes(edited)
    model.asked.clear()
    taxonomy.main(["--taxonomy", str(made.path), "--output", str(tmp_path / "t.json"), "--report", str(tmp_path / "r")])
    assert (tmp_path / "t.json").read_bytes() == edited
    assert (tmp_path / "r").read_text() == "test\tcategory\tsubcategory\tremark\n"
    assert names(read_taxonomy(tmp_path / "t.json")[0])[0] == "Quiet books"
    assert model.asked == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "taxonomy.samples is 0; it must be at least 1"),
        ({"min_subcategories": 7}, "max_subcategories must not be below min_subcategories"),
        ({"max_other": 1.5}, "taxonomy.max_other is 1.5"),
        ({"round": 1}, "taxonomy has no setting 'round'"),
        ({"items_per_sample": 1}, "taxonomy.items_per_sample is 1; it must be at least 2"),
    ],
)
def test_a_wrong_setting_is_named(stage, model, settings, message):
    with pytest.raises(UserError, match=message):
        stage(**settings)
    assert model.asked == []


@pytest.mark.parametrize("options", [["--engine", "llm"], ["--engine", "file"], []])
def test_what_an_engine_reads_must_be_given(options, capsys):
    with pytest.raises(SystemExit):
        taxonomy.main([*options, "--output", "t.json"])
    assert "engine file needs --taxonomy, engine llm --items" in capsys.readouterr().err


def test_the_settings_say_how_many_requests_there_are_at_most():
    settings = Settings(samples=2, test_items=10, rounds=1, categories=3)
    assert settings.sizes() == [24, 24, 10, 10]
    assert settings.most_requests == 2 + 1 + 20 + 3
