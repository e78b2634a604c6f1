"""For tests of stage taxonomy with engine llm: a catalogue, proposals, and a scripted model on loopback."""

import json
from collections import Counter
from types import SimpleNamespace

from loopback import Handler, Server

from semacdr.semantics.naming import OTHER

TONES, TOPICS = ("Calm", "Tense", "Funny", "Bleak"), ("War", "Love", "Travel", "Crime")
SETTINGS = {"categories": 2, "min_subcategories": 2, "max_subcategories": 6, "samples": 2, "items_per_sample": 6}
SETTINGS |= {"test_items": 16, "revision_rounds": 1}
STEPS = {"A sample of the catalogue": "propose", "Merge these into": "merge", "Improve the category": "revise"}
STEPS |= {"Improve the facet": "revise"}


def catalogue(each=120):
    """Books and films whose titles contain their tone and topic."""
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
        """The content of an answer: a step's constant, or its function of the body."""
        user = body["messages"][1]["content"]
        step = next((name for sign, name in STEPS.items() if sign in user), "file")
        system = body["messages"][0]["content"]
        self.asked.append(SimpleNamespace(step=step, seed=body["seed"], user=user, system=system))
        said = self.script[step]
        said = said(body) if callable(said) else said
        return said if isinstance(said, str) else json.dumps(said)

    @staticmethod
    def file(body):
        """Every subcategory whose name is in the item's title, or Other."""
        title = next(line for line in body["messages"][1]["content"].splitlines() if line.startswith("Title: "))
        properties = body["response_format"]["json_schema"]["schema"]["properties"]
        options = {category: content["items"]["enum"] for category, content in properties.items()}
        return {c: [name for name in names if name.lower() in title.lower()] or [OTHER] for c, names in options.items()}

    def steps(self):
        return Counter(request.step for request in self.asked)


def names(category):
    return [name for name, _ in category.subcategories]
