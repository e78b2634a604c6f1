"""What is wrong with a setting: one line with the keys that lead to it, what is allowed, and the nearest known name."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from semacdr.errors import UserError


class SettingError(UserError):
    """A wrong setting: the keys and list indices that lead to it, and what is wrong with it."""

    def __init__(self, path: Sequence[str | int], message: str) -> None:
        super().__init__(f"{dotted(path)}: {message}")
        self.path, self.message = tuple(path), message


def dotted(path: Sequence[str | int]) -> str:
    """A path of keys and list indices as messages show it: metrics.ks[1]."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def nearest(name: Any, known: Iterable[str]) -> str:
    """A hint at the known name that is most like an unknown one; empty if none is."""
    found = difflib.get_close_matches(str(name), map(str, known), 1, 0.6)
    return f"; did you mean '{found[0]}'?" if found else ""


def known_name(name: Any, known: Iterable[str], what: str, *path: str | int, hint: str = "") -> None:
    """Raise a SettingError with all known names where a name is none of them; `hint` replaces the nearest one."""
    if name not in (known := list(known)):
        listed = ", ".join(known) or "none"
        raise SettingError(path, f"there is no {what} '{name}'{hint or nearest(name, known)}; known: {listed}")


def known_names(names: Iterable[Any], known: Iterable[str], what: str, *path: str | int) -> None:
    """Raise a SettingError as of `known_name` for the first unknown entry of a list."""
    known = list(known)
    for place, name in enumerate(names):
        known_name(name, known, what, *path, place)
