"""What stands behind the page: the people and who is chosen, tastes, tables with the paper's, versions, time, money."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from page_world import CATEGORIES, USERS

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.reporting.page import charts, experiments, figures, item_semantics, people, record, results, training
from semacdr.reporting.page.catalogue import Catalogue
from semacdr.reporting.page.render import render
from semacdr.stages import report
from semacdr.stages.metrics import read_paper
from semacdr.storage import tsv


@pytest.fixture(scope="module")
def catalogue(world):
    return Catalogue(world.folder / "items.parquet", world.folder / "agnostic.parquet")


@pytest.fixture(scope="module")
def direction(world, catalogue):
    """All users of book to film."""
    history = load_history(world.folder / "interactions.parquet", world.folder / "items.parquet", world.splits[0])
    systems = [people.shown(run) for run in world.runs[:2]]
    return people.direction(history, world.folder / "interactions.parquet", catalogue, systems, USERS, 3, 0)


def test_groups_are_by_who_found_the_item_and_people_come_from_each_in_turn():
    groups = {"both": np.arange(10), "one": np.arange(10, 12), "none": np.arange(20, 90)}
    drawn = people.choose(groups, 8, 3)
    assert Counter(group for _, group in drawn) == {"both": 3, "one": 2, "none": 3}
    assert [group for _, group in drawn] == sorted((g for _, g in drawn), key=list(groups).index)
    assert all(user in groups[group] for user, group in drawn) and len({user for user, _ in drawn}) == 8
    assert people.choose(groups, 8, 3) == drawn != people.choose(groups, 8, 4)
    assert len(people.choose(groups, 500, 0)) == 82  # no more than there are


def test_a_person_s_events_are_what_the_systems_saw_and_the_item_stands_at_its_rank(world, direction):
    source = world.worlds["film"]
    assert {person.user for person in direction.people} == set(range(USERS))
    assert sum(users for _, users in direction.groups) == USERS == direction.users
    for person in direction.people:
        targets = source.of_user(person.user, "film")
        seen = [item for _, _, item in source.visible(person.user, len(targets) - 1)]
        assert [event.item.item for event in person.events] == seen[-3:]
        assert person.earlier == len(seen) - 3 and sum(person.counts) == len(seen)
        assert person.counts[1] == len(targets) - 1 and person.candidates == 12 - person.counts[1]
        assert person.asked.item.item == targets[-1][1] and person.asked.is_target
        days = [event.day for event in person.events]
        assert days == sorted(days) and days[-1] <= person.asked.day and person.asked.day[:4] in ("2014", "2015")
        for listed in person.lists:
            (hit,) = [place.place for place in listed.places if place.hit] or [None]
            assert hit == (int(listed.rank) if int(listed.rank) <= 5 else None)
            assert [place.place for place in listed.places] == list(range(1, len(listed.places) + 1))


def test_tastes_are_counted_over_events_and_mark_the_items(world, catalogue, direction):
    """Against a plain count: at least two events, and 1.5 times the share among all training events of the domain."""
    source, filed = world.worlds["film"], {}
    for item, category, subcategory in world.filed:
        if subcategory != "Other":
            filed.setdefault(item, []).append((category, subcategory))
    training = [(domain, item) for rows in source.training().values() for _, domain, item in rows]
    marked = 0
    for person in direction.people:
        seen = source.visible(person.user, len(source.of_user(person.user, "film")) - 1)
        frequent = []
        for domain in ("book", "film"):
            own = Counter(key for _, d, item in seen if d == domain for key in filed[item])
            usual = Counter(key for d, item in training if d == domain for key in filed[item])
            total, everyone = sum(d == domain for _, d, _ in seen), sum(d == domain for d, _ in training)
            share = {key: n / total / (usual[key] / everyone) for key, n in own.items()}
            frequent.append({key for key, n in own.items() if n >= 2 and share[key] >= 1.5})
        shown = [{(taste.category, taste.subcategory) for taste in tastes} for tastes in person.tastes]
        assert shown == frequent
        for place in person.lists[0].places:
            marks = {name: (of_source, of_target) for name, of_source, of_target in place.filed}
            for key in filed[place.item.item]:
                assert marks.pop(key[1]) == (key in frequent[0], key in frequent[1])
                marked += key in frequent[0] or key in frequent[1]
            assert marks == {}
    assert marked


def test_nothing_is_filed_under_other_for_a_person(catalogue):
    assert any(key[1] == "Other" for item in range(len(catalogue)) for key in catalogue.filed(item))
    assert not any(key[1] == "Other" for item in range(len(catalogue)) for key in catalogue.meant(item))


PAPER = Path(__file__).parents[3] / "resources/paper/results.tsv"
METRICS = results.COLUMNS


def write_metrics(path, *systems):
    rows = [METRICS]
    for model, variant, mean in systems:
        for ranking in ("full", "sampled"):
            for metric, k in (("hr", "5"), ("hr", "10"), ("ndcg", "5"), ("ndcg", "10"), ("mrr", "")):
                rows.append(
                    ["movie", "book", model, variant, ranking, metric, k, str(mean), "0.01", "2", "9", "sample"]
                )
    path.write_text("".join("\t".join(row) + "\n" for row in rows))


def test_the_paper_stands_beside_full_systems_and_impossible_rows_are_marked(tmp_path):
    write_metrics(tmp_path / "m.tsv", ("sasrec", "full", 0.2), ("sasrec", "ce", 0.4), ("mgcl", "full", 0.1))
    paper = read_paper(PAPER)
    (direction,) = results.directions(tmp_path / "m.tsv", paper)
    plain, ce, mgcl = direction.systems
    assert plain.paper["ndcg", 10] == "0.2345" and ce.paper is None  # the variant is not the paper's
    assert (plain.impossible, mgcl.impossible) == (False, True)
    assert {system.name for system in direction.printed if system.impossible} == {"CL4SRec", "MGCL"}
    cell = ce.cells["full", ("ndcg", 10)]
    assert (cell.mean, cell.std, cell.best, cell.share) == ("0.4000", "0.0100", True, 1.0)
    assert plain.cells["full", ("ndcg", 10)].share == 0.5 and not plain.cells["full", ("ndcg", 10)].best
    assert results.short(direction, "full") == [("hr", 10), ("ndcg", 10), ("mrr", None)]


def test_warm_and_cold_people_have_tables_of_their_own_without_the_paper(tmp_path):
    write_metrics(tmp_path / "m.tsv", ("sasrec", "full", 0.2))
    header, *lines = (tmp_path / "m.tsv").read_text().splitlines()
    grouped = [f"group\t{header}", *(f"{group}\t{line}" for group in ("warm", "cold") for line in lines)]
    (tmp_path / "m.tsv").write_text("\n".join(grouped) + "\n")
    found = results.directions(tmp_path / "m.tsv", read_paper(PAPER))
    assert [(direction.group, len(direction.systems)) for direction in found] == [("warm", 1), ("cold", 1)]
    assert [direction.systems[0].paper for direction in found] == [None, None]


def test_on_the_sample_the_page_says_that_the_paper_is_not_comparable(world, tmp_path):
    write_metrics(world.folder / "movie_book.tsv", ("mgcl", "full", 0.1))
    argv = world.argv(tmp_path / "x.html", "--paper", str(PAPER), shown=False, experiments=(), figures=False)
    argv[argv.index("--metrics") + 1] = str(world.folder / "movie_book.tsv")
    content = report.content(report.arguments(argv))
    note = {"note": "simulated people", "release": "sample"}
    assert "not comparable" in render(content | note) and "not comparable" not in render(content)
    assert "† impossible as printed" in render(content)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0\u202fs"), (9.96, "10.0\u202fs"), (59.4, "59\u202fs"), (61, "1:01\u202fmin"), (3599, "59:59\u202fmin"),
     (3600, "1:00\u202fh"), (7384, "2:03\u202fh")],
)  # fmt: skip
def test_durations(seconds, words):
    assert record.duration(seconds) == words


def test_jobs_are_added_up_by_stage_and_what_was_not_measured_does_not_count(world):
    jobs = {job.stage: job for job in record.jobs(world.folder / "logs")}
    assert jobs.keys() == {"encode", "train sasrec"}
    train = jobs["train sasrec"]
    assert (train.jobs, train.seconds, train.cpu_seconds, train.peak_mb) == (2, 100.0, 90.0, 200.0)
    assert record.jobs(None) == record.jobs(world.folder / "nothing") == []


def test_money():
    cost = {"engine": "llm", "model": "m", "answers": 3, "prompt_tokens": 1200, "completion_tokens": 30}
    assert (
        record.money(cost | {"dollars": 0.5})
        == "3 answers of m that describe and file the items: 1,200 tokens read, 30 written, $0.5000"
    )
    assert "no price is set" in record.money(cost | {"dollars": None})
    assert "nothing" in record.money({"engine": "encoder", "model": "e"})
    made = {"model": "t", "answers": 2, "prompt_tokens": 7, "completion_tokens": 5, "dollars": 0.25}
    told = "2 answers of t that make the categories: 7 tokens read, 5 written, $0.2500"
    assert record.money({"engine": "encoder", "model": "e"}, made) == told
    assert record.money(cost | {"dollars": 0.5}, made).startswith(f"{told}; and 3 answers of m")


def test_what_was_made_of_the_items(world, catalogue):
    names = ("taxonomy.json", "inner.parquet", "semantics.tsv", "asked.json")
    found = item_semantics.made(catalogue, *(world.folder / name for name in names), 2, 0)
    assert [category.name for category in found.categories] == list(CATEGORIES)
    drama = found.categories[0].subcategories[0]
    assert drama[0] == "Drama" and drama[2] == [(4, 4 / 12), (4, 4 / 12)]  # every third of 12 books and 12 films
    assert [example.item.domain for example in found.examples] == ["book", "book", "film", "film", "book"]
    assert found.examples[-1].item.item == 9 and found.fallen == 1
    assert found.examples[-1].made.endswith("the language model's answer was not good: too long")
    assert found.examples[0].made == "written by the language model, attempt 2"
    assert found.steps == [("describe", ["23", "1"])]


def test_a_cost_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "cost.json").write_text("{")
    with pytest.raises(UserError, match=r"cost\.json: cannot be read.*run the semantics stage again"):
        item_semantics.read_cost(tmp_path / "cost.json")


def test_a_figure_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("<svg onload='x'>")
    with pytest.raises(UserError, match="is no PNG"):
        figures.figure(tmp_path / "a.png")


def test_numbers_of_a_figure_are_rounded_and_words_are_not(world):
    figure = figures.figure(world.folder / "profiles.png")
    assert figure.columns == ["category", "similarity", "p"] and figure.rows == [["Genre", "0.1235", "0.001"]]


def test_an_experiment_is_shown_as_its_table_has_it(world):
    """The differences of the second variant, with their signs, and no chart of the sampled ranking."""
    found = experiments.experiment(world.folder / "compare.tsv")
    assert (found.name, found.first, found.seeds) == ("compare", "semacdr-ce", "1")
    rows = {
        (r["source"], r["ranking"], r["variant"]): r
        for r in tsv.read(world.folder / "compare.tsv")
        if r["metric"] == "ndcg"
    }
    assert [(part.source, part.ranking) for part in found.parts] == [
        (source, ranking) for source in ("book", "film") for ranking in ("full", "sampled")
    ]
    for part in found.parts:
        first, second = part.lines
        row = rows[part.source, part.ranking, "sasrec-ce"]
        assert first.difference == first.p == "" and second.means[0] == f"{float(row['mean']):.4f}"
        assert float(second.difference.replace("\u2212", "-")) == pytest.approx(float(row["difference"]), abs=5e-5)
        assert second.clear == (float(row["p_bootstrap_holm"]) < 0.05) and float(second.p) == pytest.approx(
            float(row["p_bootstrap_holm"]), abs=1e-4
        )
        assert (part.chart is not None) == (part.ranking == "full")


def test_groups_of_cold_start_have_a_table_and_a_chart_each(world):
    found = experiments.experiment(world.folder / "cold_start.tsv")
    rows = [r for r in tsv.read(world.folder / "cold_start.tsv") if r["metric"] == "ndcg" and r["ranking"] == "full"]
    parts = [part for part in found.parts if part.ranking == "full"]
    assert {part.grouping for part in parts} == set(experiments.GROUPINGS.values())
    assert sum(len(part.lines) for part in parts) == len(rows)
    for part in parts:
        groups = list(dict.fromkeys(line.group for line in part.lines))
        assert (part.chart is not None) == (len(groups) > 1)
        assert part.chart is None or all(f">{group.replace('>', '&gt;')}<" in part.chart for group in groups)


def test_a_table_that_lacks_a_column_is_refused(tmp_path):
    (tmp_path / "x.tsv").write_text("source\ttarget\n")
    with pytest.raises(UserError, match=r"x\.tsv: lacks the columns ranking, metric"):
        experiments.experiment(tmp_path / "x.tsv")


def test_a_name_in_a_chart_is_text():
    drawn = charts.forest([("<script>$x_1$", 0.1, 0.05, 0.15)], "Δ")
    svg = charts.as_svg(drawn, "a", 'one "of" <two>')
    assert "&lt;script&gt;$x_1$" in svg and "<script" not in svg
    assert 'aria-label="one &#34;of&#34; &lt;two&gt;"' in svg


def test_training_is_summed_over_seeds_and_what_learns_has_a_curve(world):
    runs = [training.load(world.runs[0])] * 2
    (found,) = training.trained(runs)
    assert (found.name, found.epochs, found.best, found.seconds) == ("SemaCDR (ce)", "5", "3", 130.0)
    assert "best epoch 3 (seed 1)" in found.chart_label and found.chart.startswith("<svg")
    still = training.Run(runs[0].settings, runs[0].cost, [(1, 0.1)])
    assert training.trained([still])[0].chart is None


def test_all_settings_of_a_run_stand_on_the_page(world, page):
    settings = json.loads((world.runs[0] / "settings.json").read_text())
    assert settings["settings"] == {"dim": 64} and "&#34;dim&#34;: 64" in page
