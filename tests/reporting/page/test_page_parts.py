"""The sections of the page: users and how they are drawn, tastes, result tables, versions, time."""

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from page_world import USERS

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.reporting.page import (
    charts,
    experiments,
    figures,
    recommenders,
    record,
    results,
    training,
    users,
)
from semacdr.reporting.page.render import render
from semacdr.reporting.paper import read_paper
from semacdr.stages import report
from semacdr.storage import tables, tsv


@pytest.fixture(scope="module")
def direction(world, catalogue):
    """All users of book to film."""
    history = load_history(world.folder / "interactions.parquet", world.folder / "items.parquet", world.splits[0])
    names = results.names_by_run(world.folder / "metrics.tsv")
    systems = [recommenders.load_recommender(run, names) for run in world.runs[:2]]
    return users.direction_users(history, world.folder / "interactions.parquet", catalogue, systems, USERS, 3, 0)


def test_users_are_drawn_from_each_group_in_turn():
    groups = {"both": np.arange(10), "one": np.arange(10, 12), "none": np.arange(20, 90)}
    drawn = users.draw_users(groups, 8, 3)
    assert Counter(group for _, group in drawn) == {"both": 3, "one": 2, "none": 3}
    assert [group for _, group in drawn] == sorted((g for _, g in drawn), key=list(groups).index)
    assert all(user in groups[group] for user, group in drawn) and len({user for user, _ in drawn}) == 8
    assert users.draw_users(groups, 8, 3) == drawn != users.draw_users(groups, 8, 4)
    assert len(users.draw_users(groups, 500, 0)) == 82  # not more than exist


def test_a_user_s_events_are_those_the_systems_saw_and_the_item_is_at_its_rank(world, direction):
    source = world.worlds["film"]
    assert {user.user for user in direction.shown} == set(range(USERS))
    assert sum(number for _, number in direction.groups) == USERS == direction.users
    for user in direction.shown:
        targets = source.of_user(user.user, "film")
        seen = [item for _, _, item in source.visible(user.user, len(targets) - 1)]
        assert [event.item.item for event in user.events] == seen[-3:]
        assert user.earlier == len(seen) - 3 and sum(user.counts) == len(seen)
        assert user.counts[1] == len(targets) - 1 and user.candidates == 12 - user.counts[1]
        assert user.test.item.item == targets[-1][1] and user.test.is_target
        days = [event.day for event in user.events]
        assert days == sorted(days) and days[-1] <= user.test.day and user.test.day[:4] in ("2014", "2015")
        for listed in user.lists:
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
    for user in direction.shown:
        seen = source.visible(user.user, len(source.of_user(user.user, "film")) - 1)
        frequent = []
        for domain in ("book", "film"):
            own = Counter(key for _, d, item in seen if d == domain for key in filed[item])
            usual = Counter(key for d, item in training if d == domain for key in filed[item])
            total, everyone = sum(d == domain for _, d, _ in seen), sum(d == domain for d, _ in training)
            share = {key: n / total / (usual[key] / everyone) for key, n in own.items()}
            frequent.append({key for key, n in own.items() if n >= 2 and share[key] >= 1.5})
        shown = [{(taste.category, taste.subcategory) for taste in tastes} for tastes in user.tastes]
        assert shown == frequent
        for place in user.lists[0].places:
            marks = {name: (of_source, of_target) for name, of_source, of_target in place.filed}
            for key in filed[place.item.item]:
                assert marks.pop(key[1]) == (key in frequent[0], key in frequent[1])
                marked += key in frequent[0] or key in frequent[1]
            assert marks == {}
    assert marked


def test_nothing_is_filed_under_other_for_a_user(catalogue):
    assert any(key[1] == "Other" for item in range(len(catalogue)) for key in catalogue.filed(item))
    assert not any(key[1] == "Other" for item in range(len(catalogue)) for key in catalogue.specific(item))


PAPER = Path(__file__).parents[3] / "resources/paper/results.tsv"
METRICS = results.COLUMNS


def write_metrics(path, *systems, release="amazon2014", ks=("5", "10")):
    rows = [METRICS]
    for model, variant, mean in systems:
        for ranking in ("full", "sampled"):
            for metric, k in (*(("hr", k) for k in ks), *(("ndcg", k) for k in ks), ("mrr", "")):
                rows.append(
                    [
                        "movie",
                        "book",
                        model,
                        variant,
                        ranking,
                        metric,
                        k,
                        str(mean),
                        "0.01",
                        "2",
                        "9",
                        release,
                        f"{model}-{variant}",
                        "0.15",
                        "0.25",
                    ]
                )
    path.write_text("".join("\t".join(row) + "\n" for row in rows))


def test_the_paper_s_numbers_are_those_of_full_systems_and_impossible_rows_are_marked(tmp_path):
    write_metrics(tmp_path / "m.tsv", ("sasrec", "full", 0.2), ("sasrec", "ce", 0.4), ("mgcl", "full", 0.1))
    paper = read_paper(PAPER)
    (direction,) = results.result_tables(tmp_path / "m.tsv", paper)
    plain, ce, mgcl = direction.systems
    assert plain.paper["ndcg", 10] == "0.2345" and ce.paper is None  # the paper lacks this variant
    assert (plain.impossible, mgcl.impossible) == (False, True)
    assert {system.name for system in direction.printed if system.impossible} == {"CL4SRec", "MGCL"}
    cell = ce.cells["full", ("ndcg", 10)]
    assert (cell.mean, cell.spread, cell.best, cell.share) == ("0.4000", "±0.0100", True, 1.0)
    assert plain.cells["full", ("ndcg", 10)].share == 0.5 and not plain.cells["full", ("ndcg", 10)].best
    assert results.first_columns(direction, "full") == [("hr", 10), ("ndcg", 10), ("mrr", None)]


def test_warm_and_cold_users_have_tables_of_their_own_without_the_paper(tmp_path):
    write_metrics(tmp_path / "m.tsv", ("sasrec", "full", 0.2))
    header, *lines = (tmp_path / "m.tsv").read_text().splitlines()
    grouped = [f"group\t{header}", *(f"{group}\t{line}" for group in ("warm", "cold") for line in lines)]
    (tmp_path / "m.tsv").write_text("\n".join(grouped) + "\n")
    found = results.result_tables(tmp_path / "m.tsv", read_paper(PAPER))
    assert [(direction.group, len(direction.systems)) for direction in found] == [("warm", 1), ("cold", 1)]
    assert [direction.systems[0].paper for direction in found] == [None, None]


@pytest.fixture
def rendered(world, tmp_path):
    """Render the page with another metrics.tsv and the paper's table."""

    def render_with(*systems, candidates=(), **table):
        write_metrics(tmp_path / "m.tsv", *systems, **table)
        argv = world.argv(tmp_path / "x.html", "--paper", str(PAPER), shown=False, experiments=(), figures=False)
        argv += ["--candidates", *map(str, candidates)] if candidates else []
        argv[argv.index("--metrics") + 1] = str(tmp_path / "m.tsv")
        run = tmp_path / "mgcl-full/seed1"
        shutil.copytree(world.runs[0], run, dirs_exist_ok=True)
        settings = json.loads((run / "settings.json").read_text())
        (run / "settings.json").write_text(json.dumps(settings | {"source": "movie", "target": "book"}))
        first, last = argv.index("--runs") + 1, argv.index("--users")
        argv[first:last] = [str(run)]
        args = report.arguments(argv)
        return render(report.content(args, report.Settings()) | {"release": table.get("release", "amazon2014")})

    return render_with


def test_the_paper_s_numbers_are_shown_for_real_data_only(rendered):
    """As on the Markdown page."""
    real, sample = rendered(("mgcl", "full", 0.1)), rendered(("mgcl", "full", 0.1), release="sample")
    assert "Paper, sampled" in real and "† impossible as printed" in real
    assert "Paper, sampled" not in sample and "†" not in sample and "not comparable" not in sample


def test_the_number_of_negatives_is_that_of_the_candidates(rendered, tmp_path):
    row = {"user": 1, "split": "test", "positive": 0, "negatives": list(range(1, 21))}
    meta = {"source": "movie", "target": "book"}
    tables.write(pa.Table.from_pylist([row]), tmp_path / "c.parquet", "candidates", meta)
    page = rendered(("mgcl", "full", 0.1), candidates=[tmp_path / "c.parquet"])
    assert "the test item among 20 stored negatives." in page and "these runs use another number" in page
    unknown = rendered(("mgcl", "full", 0.1))
    assert "the test item among stored negatives." in unknown and "another number" not in unknown


@pytest.mark.parametrize(("ks", "shown"), [(("5", "20"), 20), (("1", "3"), 3), (("5", "10", "20"), 10)])
def test_the_first_table_shows_a_cutoff_that_was_computed(rendered, tmp_path, ks, shown):
    page = rendered(("mgcl", "full", 0.1), ks=ks)
    assert f"the bar shows\n  NDCG@{shown} of full ranking" in page
    (table,) = results.result_tables(tmp_path / "m.tsv", {})
    assert results.first_columns(table, "sampled") == [("hr", shown), ("ndcg", shown)]


def test_users_count_as_found_within_the_length_of_the_lists(direction):
    """The lists of the fixture have five places."""
    assert direction.top == 5
    for user in direction.shown:
        assert [listed.hit for listed in user.lists] == [float(listed.rank) <= 5 for listed in user.lists]
        found = [listed.system for listed in user.lists if listed.hit]
        assert user.group.startswith("found by") == (len(found) in (0, len(user.lists)))
        assert all(name in user.group for name in found)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0\u202fs"), (9.96, "10.0\u202fs"), (59.4, "59\u202fs"), (61, "1:01\u202fmin"), (3599, "59:59\u202fmin"),
     (3600, "1:00\u202fh"), (7384, "2:03\u202fh")],
)  # fmt: skip
def test_durations(seconds, words):
    assert record.duration(seconds) == words


def test_jobs_are_summed_by_stage_and_missing_measurements_do_not_count(world):
    jobs = {job.stage: job for job in record.jobs(world.folder / "logs")}
    assert jobs.keys() == {"encode", "train sasrec"}
    train = jobs["train sasrec"]
    assert (train.jobs, train.seconds, train.cpu_seconds, train.peak_mb) == (2, 100.0, 90.0, 200.0)
    assert record.jobs(None) == record.jobs(world.folder / "nothing") == []


def test_a_figure_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("<svg onload='x'>")
    with pytest.raises(UserError, match="is not a PNG"):
        figures.read_figure(tmp_path / "a.png")


def test_numbers_of_a_figure_are_rounded_and_words_are_not(world):
    figure = figures.read_figure(world.folder / "taste_similarity.png")
    assert figure.columns == ["category", "similarity", "p"] and figure.rows == [["Genre", "0.1235", "0.001"]]


def test_an_experiment_is_shown_as_its_table_has_it(world):
    """The differences of the second variant, with their signs, and no chart of the sampled ranking."""
    found = experiments.read_experiment(world.folder / "compare.tsv", {})
    assert (found.name, found.reference, found.seeds) == ("compare", "SemaCDR (ce)", "1")
    rows = {
        (r["source"], r["ranking"], r["variant"]): r
        for r in tsv.read(world.folder / "compare.tsv")
        if r["metric"] == "ndcg"
    }
    assert [(part.source, part.ranking) for part in found.tables] == [
        (source, ranking) for source in ("book", "film") for ranking in ("full", "sampled")
    ]
    for part in found.tables:
        first, second = part.lines
        row = rows[part.source, part.ranking, "sasrec-ce"]
        assert first.difference == first.p == "" and second.means[0] == f"{float(row['mean']):.4f}"
        assert float(second.difference.replace("\u2212", "-")) == pytest.approx(float(row["difference"]), abs=5e-5)
        assert second.significant == (float(row["p_bootstrap_holm"]) < 0.05) and float(second.p) == pytest.approx(
            float(row["p_bootstrap_holm"]), abs=1e-4
        )
        assert (part.chart is not None) == (part.ranking == "full")


def test_a_variant_that_is_a_run_of_the_result_table_has_its_name(world):
    names = {("book", "film", "semacdr-ce"): "One", ("film", "book", "semacdr-ce"): "One"}
    found = experiments.read_experiment(world.folder / "compare.tsv", names)
    assert found.reference == "One" and [line.name for line in found.tables[0].lines] == ["One", "SASRec (ce)"]
    both = {(*place[:2], run): "One" for place in names for run in ("semacdr-ce", "sasrec-ce")}
    lines = experiments.read_experiment(world.folder / "compare.tsv", both).tables[0].lines
    assert [line.name for line in lines] == ["SemaCDR (ce)", "SASRec (ce)"]  # otherwise two rows would look alike


def test_a_row_names_what_it_is_compared_with(world, tmp_path):
    """The table as stage compare writes it with --against: sasrec-ce is compared with the variant that it names."""
    lines = (world.folder / "compare.tsv").read_text().splitlines()
    named = [lines[0] + "\tagainst", *(line + "\t" * ("sasrec-ce" not in line) for line in lines[1:])]
    named = [named[0], *(line if line.endswith("\t") else f"{line}\tsemacdr-ce" for line in named[1:])]
    (tmp_path / "pairs.tsv").write_text("\n".join(named) + "\n")
    found = experiments.read_experiment(tmp_path / "pairs.tsv", {})
    assert found.reference == ""
    for part in found.tables:
        assert [line.against for line in part.lines] == ["", "SemaCDR (ce)"]
        assert part.chart is None or "SASRec (ce) − SemaCDR (ce)" in part.chart
    plain = experiments.read_experiment(world.folder / "compare.tsv", {})
    assert {line.against for part in plain.tables for line in part.lines} == {""}


def test_groups_of_cold_start_have_a_table_and_a_chart_each(world):
    found = experiments.read_experiment(world.folder / "cold_start.tsv", {})
    rows = [r for r in tsv.read(world.folder / "cold_start.tsv") if r["metric"] == "ndcg" and r["ranking"] == "full"]
    parts = [part for part in found.tables if part.ranking == "full"]
    assert {part.grouping for part in parts} == set(experiments.GROUPINGS.values())
    assert sum(len(part.lines) for part in parts) == len(rows)
    for part in parts:
        groups = list(dict.fromkeys(line.group for line in part.lines))
        assert (part.chart is not None) == (len(groups) > 1)
        assert part.chart is None or all(f">{group.replace('>', '&gt;')}<" in part.chart for group in groups)


def test_a_table_that_lacks_a_column_is_refused(tmp_path):
    (tmp_path / "x.tsv").write_text("source\ttarget\n")
    with pytest.raises(UserError, match=r"x\.tsv: lacks the columns ranking, metric"):
        experiments.read_experiment(tmp_path / "x.tsv", {})


@pytest.mark.parametrize("names", [2, 4, 8])
@pytest.mark.parametrize("lines", [1, 2, 6])
def test_the_points_of_a_group_stay_together(names, lines):
    """They span at most 8 % of the axis and 30 % of the way to the next group, and no two are at one place."""
    points = [(0.2, 0.1, 0.3)] * names
    (axis,) = charts.groups([str(n) for n in range(names)], [(f"s{n}", points) for n in range(lines)], "x", "y").axes
    first = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == names]
    low, high = axis.get_xlim()
    assert len(first) == len(set(first)) == lines
    assert max(first) - min(first) <= min(0.3, 0.08 * (high - low)) + 1e-9


def test_a_name_in_a_chart_is_text():
    drawn = charts.forest([("<script>$x_1$", (0.1, 0.05, 0.15))], "Δ")
    svg = charts.as_svg(drawn, "a", 'one "of" <two>')
    assert "&lt;script&gt;$x_1$" in svg and "<script" not in svg
    assert 'aria-label="one &#34;of&#34; &lt;two&gt;"' in svg


def test_training_is_summed_over_seeds_and_trained_models_have_a_curve(world):
    names = results.names_by_run(world.folder / "metrics.tsv")
    runs = [training.load_training_run(world.runs[0])] * 2
    (found,) = training.trained_systems(runs, names)
    assert (found.name, found.epochs, found.best_epoch, found.seconds) == ("SemaCDR (ce)", "5", "3", 130.0)
    assert "best epoch 3 (seed 1)" in found.chart_label and found.chart.startswith("<svg")
    still = dataclasses.replace(runs[0], validation=[(1, 0.1)])
    assert training.trained_systems([still], names)[0].chart is None
    with pytest.raises(UserError, match=r"metrics\.tsv has no row of run semacdr-ce from book to film"):
        training.trained_systems(runs, {})


def test_all_settings_of_a_run_stand_on_the_page(world, page):
    settings = json.loads((world.runs[0] / "settings.json").read_text())
    assert settings["settings"] == {"dim": 64} and "&#34;dim&#34;: 64" in page
