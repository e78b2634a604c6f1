"""The version of the code, which results record."""

import os
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Code:
    """The version of the package and, in a git checkout, the commit and its day."""

    version: str
    commit: str | None
    day: str | None
    changed: bool  # whether files of the checkout differ from the commit

    @property
    def name(self) -> str:
        """The commit's first 12 digits, with -dirty if files differ from it; empty if there is no commit."""
        return f"{self.commit[:12]}{'-dirty' * self.changed}" if self.commit else ""


def code(folder: Path = Path(__file__).parents[1]) -> Code:
    """The version of the code in a folder."""
    installed, commit = version("semacdr") or "not installed", _git(folder, "log", "-1", "--format=%H %cs")
    if not commit:
        return Code(installed, None, None, False)
    name, day = commit.split()
    return Code(installed, name, day, bool(_git(folder, "status", "--porcelain", "--untracked-files=no")))


def _git(folder: Path, *words: str) -> str:
    """The output of a git command in a folder; empty without git, without a repository and without a tracked file."""
    command = ["git", "-C", str(folder), *words]
    quiet = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        tracked = subprocess.run([*command[:3], "ls-files"], capture_output=True, text=True, env=quiet)
        if tracked.returncode or not tracked.stdout.strip():
            return ""
        return subprocess.run(command, capture_output=True, text=True, check=True, env=quiet).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version(name: str) -> str | None:
    """The version of an installed package, or None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
