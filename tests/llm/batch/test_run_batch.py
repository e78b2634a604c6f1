"""Files for vLLM's run-batch: written, answered by hand, collected."""

import json
import re
from pathlib import Path

import pytest
from batch_place import Place, build, expected, key
from batch_server import answered, refused

from semacdr.errors import UserError
from semacdr.llm import session
from semacdr.llm.batch_api import BatchApi
from semacdr.llm.options import Options, Settings


def vllm(place, lines=lambda requests: [answered(request) for request in requests]):
    """Do what run-batch does: write an answers file for each file that a message names."""
    with pytest.raises(UserError) as caught:
        place.run()
    commands = re.findall(r"^  vllm run-batch -i (\S+) -o (\S+) --model (\S+)$", str(caught.value), re.MULTILINE)
    for requests, answers, model in commands:
        assert model == "model-1"
        asked = [json.loads(line) for line in Path(requests).read_text().splitlines()]
        Path(answers).write_text("\n".join(json.dumps(line) for line in lines(asked)))
    return [len(Path(requests).read_text().splitlines()) for requests, *_ in commands]


def test_files_for_run_batch_wait_for_their_answers(tmp_path, small_files):
    place = Place(tmp_path, None)
    with pytest.raises(UserError, match="requests wait for their answers"):
        place.run()
    assert vllm(place) == [3, 3, 2]  # the same files as before
    assert place.run() == expected()
    assert place.run() == expected()


def test_lines_that_lack_in_an_answers_file_are_asked_again(tmp_path):
    place = Place(tmp_path, None)
    assert vllm(place, lambda requests: [answered(r) for r in requests[:5]]) == [8]
    assert vllm(place, lambda requests: [answered(requests[0]), refused(requests[1], 400, "too long")]) == [3]
    assert vllm(place, lambda requests: []) == [1]
    with pytest.raises(UserError, match=r"1 of 2 answers are missing .*: the batch ended as completed without"):
        place.run()
    assert vllm(place, lambda requests: [answered(r) for r in requests[:1]]) == [2]  # of 6 and 7


def test_a_file_for_run_batch_that_nobody_wants_any_more_is_dropped(tmp_path, small_files):
    place = Place(tmp_path, None)
    with pytest.raises(UserError):
        place.run(build=lambda index: build(index, "Tell of"))
    assert vllm(place) == [3, 3, 2]
    assert place.run() == expected()


def test_answers_that_run_batch_made_are_collected_by_endpoint_too(tmp_path, server):
    place = Place(tmp_path, None)
    vllm(place, lambda requests: [answered(r) for r in requests[:5]])
    place.server = server
    assert place.run() == expected()
    assert sorted(server.asked) == sorted(key(index) for index in (5, 6, 7))


def test_run_batch_leaves_what_an_endpoint_has_under_way(place):
    place.run_killed_in(BatchApi, "wait")
    place.server = None
    with pytest.raises(UserError, match=r"submitted to an endpoint; collect them with llm\.run_batch false"):
        place.run()


def test_run_batch_needs_a_folder(tmp_path):
    options = Options(store=f"{tmp_path}/a.sqlite", run_batch=True)
    with (
        pytest.raises(UserError, match=r"llm\.run_batch needs a folder for its files: set llm\.batch"),
        session.open_asker(Settings(), options),
    ):
        pass
