"""Files of tuned settings for tests, and the trainings that a dry run shows under them."""

import json

MADE, USED = "results/movie_book/tuned.json", "resources/tuned/movie_book.json"
SPACE = {"common": {"learning_rate": {"low": 0.002, "high": 0.01}, "dropout": {"low": 0.1, "high": 0.4}}}


def trainings(project, *targets):
    """The commands of train that a dry run shows."""
    status, text = project.call("-n", "-p", *targets)
    assert status == 0, text
    return [line for line in text.splitlines() if "python -m semacdr.stages.train " in line]


def count(commands, words):
    return sum(words in command for command in commands)


def entry(learning_rate=0.005, **settings):
    return {"training": {"learning_rate": learning_rate}, "settings": settings, "found": {}}


def write(project, domains=("movie", "book"), scenario=None, used=None, **kinds):
    first, second = domains
    used = project / "resources/tuned" / f"{used or '_'.join(domains)}.json"
    used.parent.mkdir(exist_ok=True)
    directions = dict.fromkeys((f"{first}_to_{second}", f"{second}_to_{first}"), kinds)
    used.write_text(json.dumps({"scenario": scenario or "_".join(domains), "directions": directions}))
