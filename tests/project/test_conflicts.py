"""No file keeps the marks of a merge that was not finished."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_file_has_conflict_marks():
    marks = ["-e", "^" + "<" * 7 + " ", "-e", "^" + ">" * 7 + " "]
    found = subprocess.run(["git", "grep", "-lI", *marks], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stdout + found.stderr  # 1: nothing found
