"""The version of the code that results record."""

import subprocess

from semacdr.runtime import checkout


def test_the_commit_is_that_of_the_checkout(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    assert checkout.code(tmp_path).commit is None and checkout.code(tmp_path).name == ""  # no checkout
    git("init")
    (tmp_path / "a.py").write_text("1\n")
    assert checkout.code(tmp_path).commit is None  # git tracks nothing in it
    git("add", "a.py")
    git("commit", "-m", "a")
    head = subprocess.run(["git", "-C", str(tmp_path), "rev-parse", "HEAD"], capture_output=True, text=True)
    assert checkout.code(tmp_path).commit == head.stdout.strip() and not checkout.code(tmp_path).changed
    (tmp_path / "a.py").write_text("2\n")
    assert checkout.code(tmp_path).changed and checkout.code(tmp_path).name == f"{head.stdout[:12]}-dirty"
