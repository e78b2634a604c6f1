"""The command of the raw stage: known addresses, required options, and help."""

import pytest

from semacdr.data import local as places
from semacdr.errors import UserError
from semacdr.stages import raw


@pytest.mark.parametrize("release", ["amazon2014", "amazon2018", "amazon2023"])
@pytest.mark.parametrize("kind", ["reviews", "meta"])
def test_a_known_release_has_addresses_whose_names_are_looked_for_locally(release, kind):
    url = raw.url_of(release, "Movies_and_TV", kind)
    assert url.rsplit("/", 1)[1] in places.local_names("Movies_and_TV", kind)


def test_an_unknown_release_needs_an_address(place):
    arguments = place.arguments()
    with pytest.raises(UserError, match="--url"):
        raw.main(arguments[: arguments.index("--url")])


def test_local_without_a_folder_is_an_error(tmp_path):
    what = ["--source", "local", "--release", "x", "--category", "Books", "--kind", "meta"]
    with pytest.raises(UserError, match="--folder"):
        raw.main([*what, "--output", str(tmp_path / "x.gz")])


def test_an_output_that_cannot_be_written_is_a_user_error(server, place):
    place.output.mkdir(parents=True)
    with pytest.raises(UserError, match="reviews_Books"):
        raw.main(place.arguments())


def test_help_says_what_is_read_and_written(capsys):
    with pytest.raises(SystemExit):
        raw.main(["--help"])
    shown = capsys.readouterr().out
    assert "Reads" in shown and "Writes" in shown
