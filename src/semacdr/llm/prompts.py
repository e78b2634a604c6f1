"""Prompts: text files with a system and a user part, and cleaning of item text for them."""

import re
import unicodedata
from pathlib import Path
from string import Template

from semacdr.errors import UserError

# Item text is data: line breaks, hidden characters and chat-template tokens are removed from it.
_BREAKS = re.compile(r"[\s\u0000-\u001f\u007f-\u009f\u2028\u2029]+")
_HIDDEN = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_MARKS = re.compile(r"<(?=[|/]|\w+>)|>(?<=\|>)|\[(?=/?(?:INST|SYS)\])")


def clean(text: str, most: int) -> str:
    """`text` on one line of at most `most` characters: no control or hidden characters, no chat-template tokens."""
    text = text[: 4 * most]
    if text.isascii() and text.isprintable():  # true of most texts; the rest is slow for a million items
        text = " ".join(_MARKS.sub(" ", text).split())
    else:
        text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be sent
        text = _MARKS.sub(" ", _HIDDEN.sub("", _BREAKS.sub(" ", text)))
        text = unicodedata.normalize("NFC", " ".join(text.split()))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def describe(item: dict, most: int) -> str:
    """An item's metadata, one field a line; at most `most` characters of the description, fewer of other fields."""
    fields = {
        "Title": item["title"] or "",
        "By": item["brand"] or "",
        "Categories": ", ".join(item["categories"] or ()),
        "Description": item["description"] or "",
        "Reviews": item.get("reviews") or "",
    }
    shares = {"Title": 4, "By": 8, "Categories": 4}
    lines = ((name, clean(text, max(most // shares.get(name, 1), 20))) for name, text in fields.items() if text)
    known = [f"{name}: {text}" for name, text in lines if text]
    return "\n".join(known or ["Title: (unknown)"])


class Prompt:
    """A prompt file: a part under `## system`, one under `## user`, with $names to fill in.

    An optional third part, `## again`, says $why an earlier answer was refused; it is added to repeated requests.
    """

    def __init__(self, path: Path, names: set[str]) -> None:
        """A UserError where the file is missing, lacks a part, or asks for a name that is not in `names`."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as a prompt: {error}") from error
        parts = re.split(r"^## (system|user|again)[ \t]*\n", text, flags=re.MULTILINE)
        self.parts = {role: Template(part.strip()) for role, part in zip(parts[1::2], parts[2::2], strict=True)}
        if {"system", "user"} != set(self.parts) - {"again"} or len(parts) != 1 + 2 * len(self.parts):
            raise UserError(f"{path}: a prompt needs one part under '## system' and one under '## user'")
        for role, part in self.parts.items():
            if not part.is_valid():
                raise UserError(f"{path}: a '$' of the {role} part starts no name; write '$$' for a dollar sign")
            known = {"why"} if role == "again" else names
            for name in set(part.get_identifiers()) - known:
                raise UserError(f"{path}: the {role} part asks for '${name}'; it may use {', '.join(sorted(known))}")

    def messages(self, refused: str = "", **values: str) -> list[dict[str, str]]:
        """The messages, after an answer that was `refused` with the reason; a value's own `$` stays as it is."""
        messages = [{"role": role, "content": self.parts[role].substitute(values)} for role in ("system", "user")]
        if refused and "again" in self.parts:
            messages[1]["content"] += f"\n\n{self.parts['again'].substitute(why=refused)}"
        return messages
