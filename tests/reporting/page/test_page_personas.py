"""The section on personas: its numbers against the tables, which users it shows, what it says of a system, refusals."""

import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import test_page
from hypothesis import given
from hypothesis import strategies as st
from page_world import USERS
from persona_world import BACKBONE, SETTINGS, SPHERE, STORED, WEIGHTS, PersonaWorld

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.reporting.page.catalogue import Catalogue
from semacdr.reporting.page.personas import direction_personas, example_users, typical_terms
from semacdr.reporting.page.recommenders import load_recommender
from semacdr.stages import report
from semacdr.storage import tables


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return PersonaWorld(tmp_path_factory.mktemp("personas"))


@pytest.fixture(scope="module")
def page(world, tmp_path_factory):
    return world.page(tmp_path_factory.mktemp("page") / "report.html", "--persona-users", "4")


@pytest.fixture(scope="module")
def direction(world):
    return of_book_to_film(world, SETTINGS)


def of_book_to_film(world, settings, shown=(SPHERE, BACKBONE)):
    """The section's part for the direction book to film, with all users."""
    files = [world.folder / f"{name}.parquet" for name in ("interactions", "items")]
    systems = [load_recommender(run, {}) for run in world.runs[:2] if run.parent.name in shown]
    gates = {run: run / "gate_weights.parquet" for run in world.runs[:1]}
    catalogue = Catalogue(files[1], world.folder / "agnostic.parquet")
    history, own = load_history(*files, world.splits[0]), {SPHERE: settings}
    return direction_personas(history, files[0], catalogue, systems, own, world.of("film"), gates, USERS)


def test_the_numbers_are_those_of_the_tables(world, direction):
    """Persona, community and gate of every user, found again by plain loops over the rows."""
    rows, meta = tables.read(world.of("film") / "personas.parquet", "personas")
    terms = [(one["name"], term) for one in json.loads(meta["facets"]) for term in one["terms"]]
    rows = {(row["user"], row["domain"]): row for row in rows.to_pylist()}
    usual = {d: np.mean([r["weights"] for (_, domain), r in rows.items() if domain == d], 0) for d in ("book", "film")}
    near = tables.read(world.of("film") / "communities.parquet", "communities")[0].to_pylist()
    assert len(direction.shown) == direction.users == USERS and direction.others == ["LightGCN"]
    for one in direction.shown:
        user = one.shown.user
        row, own = rows[user, "film"], [n for n in near if n["user"] == user]
        assert one.persona.text == row["text"] and one.persona.events == row["events"] == 4
        assert one.persona.confidence == pytest.approx(row["confidence"])
        for facet, shown in one.persona.facets:
            of_facet = sorted((-w, n) for n, w in enumerate(row["weights"]) if terms[n][0] == facet)[:2]
            expected = [(terms[n][1], -w, usual["film"][n]) for w, n in of_facet]
            assert [(term.name, term.weight) for term in shown] == [pytest.approx(pair[:2]) for pair in expected]
            assert [term.usual for term in shown] == [pytest.approx(usual, abs=1e-6) for _, _, usual in expected]
        assert one.persona.typical == {
            t for t, w, u in zip(terms, row["weights"], usual["film"], strict=True) if w >= 1.2 * u
        }
        assert one.similarity == pytest.approx(sum(n["similarity"] for n in own) / STORED)
        assert one.members == len(own) == STORED
        assert [n.user for n in one.community] == [n["neighbour"] for n in own[:5]]
        assert user not in [n.user for n in one.community]
        assert [n.persona.text for n in one.community] == [rows[n["neighbour"], "book"]["text"] for n in own[:5]]
        assert one.gates == [("SPHERE", pytest.approx(WEIGHTS[user]), pytest.approx(user / USERS))]
    (fusion,) = direction.fusions
    assert fusion.mean == pytest.approx(sum(WEIGHTS) / USERS) and fusion.quantile(0.0) == pytest.approx(0.2)


def test_items_are_the_latest_training_events_and_never_held_out(world, direction):
    film = world.worlds["film"]
    for one in direction.shown:
        targets = [item for _, item in film.of_user(one.shown.user, "film")]
        assert {item.item for item in one.items} == set(targets[:-2])
        for near in one.community:
            behind = film.of_user(near.user, "film")[-2][0]  # his own validation event ends his training events
            known = [(time, item) for time, item in film.of_user(near.user, "book") if time < behind]
            times = {item: time for time, item in known}
            assert len(near.items) == min(3, len(known)) and near.persona.events == len(known)
            shown = [times[item.item] for item in near.items]
            assert shown == sorted(times.values(), reverse=True)[: len(shown)]


def test_lists_are_those_of_the_systems_and_marks_those_of_persona_and_community(world, direction):
    for one in direction.shown:
        assert [listed.system for listed in one.shown.lists] == ["SPHERE", "LightGCN"]
        for listed, run in zip(one.shown.lists, world.runs[:2], strict=True):
            rows = tables.read(run / "recommendations.parquet", "recommendations")[0]
            best = rows.filter(pc.equal(rows["user"], one.shown.user))["item"].to_pylist()
            assert [place.item.item for place in listed.places] == best
            for place in listed.places:
                own = {name for _, name in one.persona.typical}
                assert {name for name, _, target in place.filed if target} == own & {name for name, _, _ in place.filed}


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 12))
def test_shown_users_go_from_few_to_many_events(events, count):
    users = np.arange(len(events)) * 3
    found = example_users(users, np.array(events, int), count)
    assert len({*found.tolist()}) == len(found) == min(count, len(events)) and {*found.tolist()} <= {*users.tolist()}
    own = [(events[user // 3], user) for user in found.tolist()]
    assert own == sorted(own)


def test_the_middle_of_each_group_is_shown():
    assert example_users(np.arange(6), np.array([5, 4, 3, 2, 1, 0]), 3).tolist() == [4, 2, 0]
    assert example_users(np.array([4, 7, 9]), np.array([1, 1, 1]), 1).tolist() == [7]


def test_typical_terms_by_hand():
    weights, usual = np.array([0.5, 0.3, 0.2, 0.24, 0.1]), np.array([0.5, 0.1, 0.3, 0.2, 0.0])
    assert typical_terms(weights, usual) == [1, 3]  # ratios 1, 3, 0.67, 1.2, and one that nobody has


def test_the_page_shows_them(world, page, tmp_path):
    seen = test_page.Seen(page)
    assert {a["id"] for tag, a in seen.elements if tag == "section"} == test_page.SECTIONS | {"personas"}
    articles = [a["id"] for _, a in seen.elements if "data-user" in a]
    assert len([name for name in articles if name.startswith("persona-")]) == 8 and len(articles) == 20
    assert 'href="#personas"' in page and '<h3 id="vocabulary">' in page
    words = " ".join(" ".join(seen.words).split())
    assert re.search(r"The gate of SPHERE gives the collaborative side 0\.\d\d and the semantic side 0\.\d\d ;", words)
    assert "book → film SPHERE 24 0.43 0.25 0.61" in words
    assert f"The nearest 5 of {STORED}." in words and "33 %" in words  # share of items in a term
    less = world.page(tmp_path / "report.html", "--persona-users", "0")
    assert 'id="personas"' not in less and 'id="vocabulary"' not in less


def test_the_section_is_as_safe_as_the_rest(page):
    seen = test_page.Seen(page)
    test_page.test_nothing_is_fetched(seen, page)
    test_page.test_hostile_texts_are_words_and_nothing_else(seen, page)
    test_page.test_ids_are_unique_and_references_find_them(seen)
    test_page.test_tables_have_headers_and_pictures_have_descriptions(seen)


def test_the_page_says_which_community_and_backbone_a_system_has(world, page, tmp_path):
    assert "was trained with" not in page and "is missing; add" not in page
    said = {"random": "with random source users instead of the communities", "none": "without the communities below"}
    for community, words in said.items():
        argv, place = world.argv(tmp_path / "report.html"), world.runs[0] / "settings.json"
        folder = tmp_path / community / SPHERE / "seed1"
        shutil.copytree(world.runs[0], folder)
        settings = json.loads(place.read_text())
        settings["settings"] |= {"community": community, "backbone": "svdpp"}
        (folder / "settings.json").write_text(json.dumps(settings))
        argv[argv.index("--runs") + 1] = str(folder)
        report.main(argv)
        changed = " ".join((tmp_path / "report.html").read_text().split())
        assert f"book → film: SPHERE was trained {words}" in changed
        assert "book → film: the list without personas is missing; add SVD++ to report.systems" in changed
        assert "film → book: the list" not in changed


def test_without_a_gate_the_page_says_so(world, tmp_path):
    """The table of a model without one weight for each side is empty, as with a fusion by concatenation."""
    argv, run = world.argv(tmp_path / "report.html"), world.runs[0]
    folder = tmp_path / SPHERE / "seed1"
    shutil.copytree(run, folder)
    table, meta = tables.read(run / "gate_weights.parquet", "gate_weights")
    tables.write(table.slice(0, 0), folder / "gate_weights.parquet", "gate_weights", meta)
    argv = [str(folder) + word.removeprefix(str(run)) if word.startswith(str(run)) else word for word in argv]
    report.main(argv)
    changed = (tmp_path / "report.html").read_text()
    assert changed.count("has no gate with one weight for each side") == 1
    assert changed.count("The gate of SPHERE gives") == 5  # those of the other direction


def test_the_page_says_whether_users_have_both_domains(world, page, tmp_path):
    table = tmp_path / "statistics.tsv"
    header = "domain overlapped_users users items interactions avg_len release"
    lines = (header, "book 0 1301 12 144 6.00 handmade", "film 0 24 12 144 6.00 handmade")
    table.write_text("\n".join(line.replace(" ", "\t") for line in lines) + "\n")
    changed = world.page(tmp_path / "report.html", "--statistics", str(table))
    pages = [" ".join(text.split()) for text in (changed, page)]
    assert ["no user is in both" in text for text in pages] == [True, False]
    assert ["each system sees a user's events in both domains" in text for text in pages] == [False, True]


def refuses(world, tmp_path, change, name="personas", target="film"):
    """Run the stage with changed rows or metadata of a table of personas."""
    folder = tmp_path / name
    shutil.copytree(world.of(target), folder)
    table, meta = tables.read(folder / f"{name}.parquet", name)
    table, meta = change(table, meta)
    tables.write(table, folder / f"{name}.parquet", name, meta)
    argv = world.argv(tmp_path / "report.html")
    argv[argv.index("--personas") + 1] = str(folder)
    report.main(argv)


def with_neighbour(table, user):
    return table.set_column(2, "neighbour", pa.array([user] * len(table), pa.int32()))


def test_tables_that_do_not_belong_together_are_refused(world, tmp_path):
    cases = [
        (lambda t, m: (t, m | {"made_from_split": "0" * 16}), "personas", "another split table"),
        (lambda t, m: (t, m | {"facets": "[]"}), "personas", "its metadata name 0 terms for 5 weights"),
        (lambda t, m: (t, {k: v for k, v in m.items() if k != "source"}), "personas", "neither source nor target"),
        (lambda t, m: (t.take(list(reversed(range(len(t))))), m), "personas", "users of book are not sorted"),
        (lambda t, m: (t, m | {"made_from_personas": "0" * 16}), "communities", "another personas table"),
        (lambda t, m: (with_neighbour(t, 999), m), "communities", "neighbour 999 has no persona"),
    ]
    for number, (change, name, message) in enumerate(cases):
        with pytest.raises(UserError, match=message):
            refuses(world, tmp_path / str(number), change, name)


def test_gates_of_another_run_and_missing_folders_are_refused(world, tmp_path):
    argv = world.argv(tmp_path / "report.html", given=("gates",))
    with pytest.raises(UserError, match="--personas: lacks the folder of book to film"):
        report.main(argv)
    first, second = (run for run in world.runs if run.parent.name == SPHERE)
    folder = tmp_path / SPHERE / "seed1"
    shutil.copytree(first, folder)
    shutil.copy(second / "gate_weights.parquet", folder / "gate_weights.parquet")
    argv = [str(folder) + w.removeprefix(str(first)) if w.startswith(str(first)) else w for w in world.argv(folder)]
    with pytest.raises(UserError, match=r"gate_weights\.parquet: not of the same run as"):
        report.main(argv)
