"""The stages personas, persona_vectors and communities on a small direction: rows, order, files, and refusals."""

import json
import shutil

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from direction_world import DAY, World, make_world
from persona_stages import TABLES, HashEncoder, compose_argv, make, read

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.stages import communities, persona_vectors, personas
from semacdr.storage import tables
from semacdr.training.inputs import DirectionPaths, load_inputs


def history_of(world):
    return load_history(*(world.folder / f"{name}.parquet" for name in ("interactions", "items", "split")))


@pytest.fixture()
def made(world, tmp_path, monkeypatch):
    return make(world, tmp_path / "personas", monkeypatch)


def test_each_user_has_a_row_for_each_domain_with_a_training_event(world, made):
    history = history_of(world)
    training, user = history.training(), history.user()
    rows = list(zip(*(made["personas"][name].to_pylist() for name in ("domain", "user", "events")), strict=True))
    wanted = []
    for domain, is_target in (("movie", False), ("book", True)):
        counts = np.bincount(user[training & (history.is_target == is_target)], minlength=history.users)
        wanted += [(domain, u, int(counts[u])) for u in np.flatnonzero(counts)]
    assert rows == wanted
    assert set(made["personas"]["provenance"].to_pylist()) == {"engine=compose"}


def test_texts_name_terms_only(made):
    for text in set(made["personas"]["text"].to_pylist()):
        assert "movie" not in text and "book" not in text
        assert "Most typical of this person: " in text or text == "Nothing is typical of this person."


def test_the_tables_are_a_models_input(world, made, tmp_path):
    files = ("interactions", "items", "split", "embeddings", "agnostic")
    paths = DirectionPaths(*(world.folder / f"{name}.parquet" for name in files), personas=tmp_path / "personas")
    found = load_inputs(paths, ("agnostic", "personas"), 20).personas
    assert len(found.source.users) + len(found.target.users) == len(made["personas"])
    assert found.target.weights.shape[1] == 6 and found.neighbours.shape == (len(found.target.users), 5)
    assert np.allclose(found.target.text.norm(dim=1), 1, atol=1e-6)


def test_personas_without_a_part_are_made_from_the_other_events(made, tmp_path):
    """Only events of the target domain are left out, each in one part."""
    whole = events_of(made["personas"])
    parts = [events_of(read(tmp_path / f"personas/part{part}")["personas"]) for part in (1, 2)]
    for (user, domain), count in whole.items():
        kept = [part.get((user, domain), 0) for part in parts]
        assert kept == [count // 2, count - count // 2] if domain == "book" else kept == [count, count]
    left_out = [read(tmp_path / f"personas/part{part}")["vectors"] for part in (1, 2)]
    source = [table.filter(pc.equal(table["domain"], "movie")) for table in (made["vectors"], *left_out)]
    assert source[0].equals(source[1]) and source[0].equals(source[2])


def events_of(table):
    users, domains, events = (table[name].to_pylist() for name in ("user", "domain", "events"))
    return dict(zip(zip(users, domains, strict=True), events, strict=True))


def test_texts_that_are_known_are_not_encoded_again(world, tmp_path, monkeypatch):
    make(world, tmp_path / "a", monkeypatch)
    asked = []
    monkeypatch.setattr(persona_vectors.TextEncoder, "encode", lambda self, texts: asked.extend(texts))
    own = tmp_path / "a"
    paths = ["--personas", str(own / "personas.parquet"), "--output", str(tmp_path / "again.parquet")]
    known = ["--known", str(own / "personas.parquet"), str(own / "vectors.parquet")]
    persona_vectors.main([*paths, *known])
    assert not asked
    assert tables.read(tmp_path / "again.parquet", "persona_vectors")[0].equals(read(own)["vectors"])
    with pytest.raises(UserError, match=r"was made by encoder .*, not other; run persona_vectors again"):
        persona_vectors.main([*paths, *known, "--encoder", "other"])


def test_the_metadata_name_the_vocabulary_and_the_origin(world, made, tmp_path):
    meta = tables.read(tmp_path / "personas/communities.parquet", "communities")[1]
    assert [facet["terms"] for facet in json.loads(meta["facets"])] == [["A0", "A1", "A2"], ["B0", "B1", "B2"]]
    assert (meta["source"], meta["target"], meta["scenario"]) == ("movie", "book", "small")
    wanted = {"interactions", "items", "split", "agnostic", "taxonomy", "personas", "persona_vectors"}
    assert {name.removeprefix("made_from_") for name in meta if name.startswith("made_from_")} == wanted


def test_a_text_that_users_share_is_encoded_once(world, made, tmp_path, monkeypatch):
    encoder = HashEncoder()
    monkeypatch.setattr(persona_vectors, "TextEncoder", lambda *_: encoder)
    path = tmp_path / "personas/personas.parquet"
    persona_vectors.main(["--personas", str(path), "--output", str(tmp_path / "again.parquet")])
    texts = made["personas"]["text"].to_pylist()
    (asked,) = encoder.asked
    assert sorted(asked) == sorted(set(texts)) and len(asked) < len(texts)
    wanted = HashEncoder().encode(texts)
    assert np.array_equal(tables.matrix(made["vectors"]["vector"]), wanted)


def test_communities_are_of_target_users_and_hold_no_own_account(made):
    rows = made["communities"].to_pylist()
    domain = dict.fromkeys(("movie", "book"))
    for name in domain:
        chosen = made["personas"].filter(pa.compute.equal(made["personas"]["domain"], name))
        domain[name] = set(chosen["user"].to_pylist())
    assert {row["user"] for row in rows} == domain["book"]
    assert {row["neighbour"] for row in rows} <= domain["movie"]
    assert all(row["user"] != row["neighbour"] for row in rows)
    assert domain["book"] & domain["movie"]  # so that there are own accounts to leave out
    for user in domain["book"]:
        own = [row for row in rows if row["user"] == user]
        assert [row["place"] for row in own] == [1, 2, 3, 4, 5]
        similarity = [row["similarity"] for row in own]
        assert similarity == sorted(similarity, reverse=True)


def test_the_index_gives_the_same_with_all_its_lists(world, made, tmp_path, monkeypatch):
    near = ("--neighbours", "5", "--floor", "-1", "--exact-up-to", "0", "--probes", "1000")
    other = make(world, tmp_path / "by_index", monkeypatch, near=near)
    assert other["communities"].equals(made["communities"])


def test_the_same_input_gives_the_same_bytes(world, made, tmp_path, monkeypatch):
    make(world, tmp_path / "again", monkeypatch)
    for name in TABLES:
        files = [(tmp_path / folder / f"{name}.parquet").read_bytes() for folder in ("personas", "again")]
        assert files[0] == files[1]


def test_a_row_depends_on_the_users_of_its_domain_alone(world, made, tmp_path, monkeypatch):
    """Without any source event but one, the rows of the target domain are the same."""
    events = pl.from_arrow(tables.read(world.folder / "interactions.parquet", "interactions")[0])
    first = events.filter(pl.col("domain") == "movie").unique("item", keep="first")
    fewer = make_world(tmp_path / "fewer", pl.concat([events.filter(pl.col("domain") == "book"), first]), world.items)
    found = make(fewer, tmp_path / "few", monkeypatch)["personas"]
    target = [one.filter(pa.compute.equal(one["domain"], "book")) for one in (made["personas"], found)]
    assert target[0].equals(target[1]) and not made["personas"].equals(found)


def test_a_floor_that_nobody_reaches_leaves_an_empty_table(world, tmp_path, monkeypatch, caplog):
    found = make(world, tmp_path / "own", monkeypatch, near=("--floor", "1"))
    assert len(found["communities"]) == 0 and "target users have no source user above the floor" in caplog.text


def test_another_taxonomy_or_items_than_those_of_the_filing_are_refused(world, tmp_path):
    own = shutil.copytree(world.folder, tmp_path / "own")
    path = own / "agnostic.parquet"
    table, meta = tables.read(path, "agnostic")
    for name in ("taxonomy", "items"):
        tables.write(table, path, "agnostic", meta | {f"made_from_{name}": "0" * 16})
        with pytest.raises(UserError, match=f"was made from another {name} table.*run stage semantics"):
            personas.main(compose_argv(World(own, world.items), tmp_path / "out"))


def test_vectors_of_other_personas_are_refused(world, made, tmp_path, monkeypatch):
    make(world, tmp_path / "other", monkeypatch, "--pseudo-count", "9")
    argv = ["--personas", str(tmp_path / "personas/personas.parquet"), "--output", str(tmp_path / "c.parquet")]
    with pytest.raises(UserError, match="was made from another personas table"):
        communities.main([*argv, "--vectors", str(tmp_path / "other/vectors.parquet")])


@pytest.mark.parametrize("when", ["on the day of validation", "between validation and test", "after test"])
def test_a_later_source_event_changes_no_byte_of_the_tables(events, tmp_path, monkeypatch, when):
    """Rows are compared, as the metadata name the events' table."""
    user, domain = 11, pl.col("domain")
    days = events.filter((pl.col("user") == user) & (domain == "book"))["timestamp"].sort()
    valid, test = days[-2], days[-1]
    assert valid < test
    time = {"on the day of validation": valid, "between validation and test": valid + 1, "after test": test + 3 * DAY}
    worlds = {"before": events, "after": with_event(events, user, time[when]), "early": with_event(events, user, 0)}
    found = {}
    for name, own in worlds.items():
        made = make(make_world(tmp_path / name, own), tmp_path / f"{name}_personas", monkeypatch)
        found[name] = {table: tables.digest(rows.replace_schema_metadata(None)) for table, rows in made.items()}
    assert found["before"] == found["after"]
    assert found["before"]["personas"] != found["early"]["personas"]  # an event in time does change them


def with_event(events, user, time):
    """The events with one more source event of a user, of an item that he does not have."""
    own = set(events.filter(pl.col("user") == user)["item"])
    item = next(item for item in range(30, 55) if item not in own)
    return pl.concat([events, pl.DataFrame([(user, item, "movie", time)], schema=events.schema, orient="row")])
