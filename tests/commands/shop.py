"""A made-up shop of songs and podcasts in CSV files, with a config, for the tests of `semacdr check`."""

import csv
import random
from pathlib import Path

import yaml

USERS, SONGS, PODCASTS = 30, 12, 10
GENRES, TOPICS = ("Hip Hop", "rock", "Folk"), ("hip-hop", "Rock", "News")


class Shop:
    """Files of a shop in a folder; `check` lays its config over the shipped one."""

    def __init__(self, folder: Path):
        self.folder, rng = folder, random.Random(3)
        self.plays = [
            (f"u{user}", f"s{song}", f"2024-03-{1 + day:02d}T08:{user:02d}:00Z")
            for user in range(USERS)
            for day, song in enumerate(rng.sample(range(SONGS), 5))
        ]
        self.listens = [
            (f"u{user}", f"p{podcast}", f"2024-03-{1 + day // 2:02d}")
            for user in range(10, USERS + 10)  # u0 to u9 only play songs, u30 to u39 only listen
            for day, podcast in enumerate(rng.sample(range(PODCASTS), 4))
        ]
        self.songs = [(f"s{n}", f"The Song of {n}", GENRES[n % 3]) for n in range(SONGS)]
        self.podcasts = [(f"p{n}", f"The Talk of {n}", TOPICS[n % 3]) for n in range(PODCASTS)]
        self.config = {
            "run": ["shop"],
            "raw": {"shop": {"source": "table", "tables": {"songs": self.table("plays", "songs", "genre"),
                                                           "podcasts": self.table("listens", "podcasts", "topic")}}},
            "scenarios": {"shop": {
                "release": "shop", "domains": {"song": "songs", "podcast": "podcasts"},
                "preprocess": {"min_item_interactions": 2}, "split": {"candidates": 5},
                "taxonomy": {"columns": {"song.genre": "genre", "podcast.topic": "genre"},
                             "values": {"genre": {"Hip Hop": "hip-hop"}}},
            }},
        }  # fmt: skip

    def table(self, events, items, category):
        columns = {"user": "who", "item": "what", "time": "when", "title": "name", "categories": [category]}
        return {"interactions": f"{events}.csv", "items": f"{items}.csv", "columns": columns}

    @property
    def scenario(self):
        return self.config["scenarios"]["shop"]

    def write(self):
        for name, header in (
            ("plays", "who,what,when"), ("listens", "who,what,when"),
            ("songs", "what,name,genre"), ("podcasts", "what,name,topic"),
        ):  # fmt: skip
            with (self.folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([header.split(","), *getattr(self, name)])
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
