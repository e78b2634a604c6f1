"""Batches that were interrupted by a kill or an unreachable endpoint: nothing is lost or paid twice."""

import httpx2
import pytest
from batch_place import Killed, Place, build, expected, key
from batch_server import BatchServer, answered, refused

from semacdr.errors import UserError
from semacdr.llm.batch import BatchRun
from semacdr.llm.batch_api import BatchApi
from semacdr.llm.batch_folder import BatchFolder
from semacdr.llm.store import AnswerStore


class Fate:
    """Kills at the n-th event; an event is a write of the state, a request, a response, or a stored answer."""

    def __init__(self, monkeypatch, last):
        self.left = last
        for owner, name in ((BatchFolder, "note"), (httpx2.Client, "send"), (AnswerStore, "put")):
            monkeypatch.setattr(owner, name, self.fatal(getattr(owner, name)))

    def fatal(self, method):
        def call(*args, **options):
            self.event()
            result = method(*args, **options)
            self.event()
            return result

        return call

    def event(self):
        self.left -= 1
        if self.left == 0:
            raise Killed


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_goes_on_and_pays_nothing_twice(tmp_path, small_files):
    """Five requests, one of which fails at first: files and a second round, with about a hundred moments for a kill."""
    moments = 0
    for moment in range(1, 1000):
        with BatchServer() as server:
            seen = set()

            def outcome(requests, seen=seen):
                good = [request for request in requests if request["custom_id"] != key(1) or key(1) in seen]
                seen.update(request["custom_id"] for request in requests)
                bad = [request for request in requests if request not in good]
                return "completed", [answered(r) for r in good], [refused(r, 500, "server error") for r in bad]

            server.outcome = outcome
            place = Place(tmp_path / str(moment), server)
            place.folder.mkdir()
            with pytest.MonkeyPatch.context() as patched:
                Fate(patched, moment)
                try:
                    assert place.run(range(5)) == expected(range(5))
                    finished = True
                except Killed:
                    finished = False
            if not finished:
                assert place.run(range(5)) == expected(range(5)), moment
            assert server.asked == {key(0): 1, key(1): 2, key(2): 1, key(3): 1, key(4): 1}, moment
        if finished:
            break
        moments += 1
    assert moments > 60


def test_a_batch_whose_confirmation_is_lost_is_not_submitted_again(place, server):
    server.broken["POST /batches"] = 2
    assert place.run() == expected()
    assert len(server.batches) == 1
    assert server.calls["POST /batches"] == 1


def test_an_endpoint_that_is_out_of_reach_for_a_while_ends_no_run(place, server):
    server.broken |= {"GET /batches/*": 12, "POST /files": 7, "GET /files/*/content": 7}
    assert place.run(http_retries=0) == expected()
    assert set(server.asked.values()) == {1}


def test_an_endpoint_that_stays_out_of_reach_is_named_and_the_run_goes_on_later(place, server):
    server.broken["GET /batches/*"] = 1000
    message = "(?s)/v1: .*broken.*Batches under way are noted in .*batches; the same command continues"
    with pytest.raises(UserError, match=message):
        place.run(http_retries=0)
    server.broken.clear()
    assert place.run() == expected()
    assert len(server.batches) == 1


def test_a_process_days_later_collects_what_one_has_submitted(place, server, small_files):
    place.run_killed_in(BatchApi, "wait")
    assert place.stored() == set()
    assert len(server.batches) == 3
    assert place.run(range(9)) == expected(range(9))  # and asks for the requests added in the meantime
    assert set(server.asked.values()) == {1}
    assert [batch["requests"] for batch in place.state()] == [3, 3, 2, 1]


def test_passes_are_counted_over_processes(place, server):
    server.outcome = lambda requests: ("completed", [], [refused(request, 500, "server error") for request in requests])
    for _ in range(3):
        place.run_killed_in(BatchRun, "_failed_in", range(2))
    with pytest.raises(UserError, match=r"2 of 2 answers are missing .*: server error"):
        place.run(range(2))
    assert server.asked == {key(0): 3, key(1): 3}


def test_answers_to_a_prompt_that_changed_since_are_kept_but_not_asked_again(place, server):
    place.run_killed_in(BatchApi, "wait")

    def outcome(requests):
        return "completed", [answered(r) for r in requests[2:]], [refused(r, 500, "server error") for r in requests[:2]]

    server.outcome = outcome

    def changed(index):
        return build(index, "Tell of")

    with pytest.raises(UserError, match=r"2 of 8 answers are missing .*: server error"):
        place.run(build=changed)
    assert {key(index) for index in range(2, 8)} < place.stored()
    assert [server.asked[key(index)] for index in range(8)] == 8 * [1]
    assert [server.asked[changed(index).key.hex()] for index in range(8)] == [3, 3, 1, 1, 1, 1, 1, 1]


def test_a_file_of_a_prompt_that_changed_is_not_submitted(place, server):
    place.run_killed_in(BatchApi, "submit")
    assert place.run(build=lambda index: build(index, "Tell of")) == expected(prompt="Tell of")
    assert not {key(index) for index in range(8)} & server.asked.keys()
    assert len(place.files()) == 1


def test_the_budget_knows_what_an_earlier_process_has_under_way(place, server):
    place.run_killed_in(BatchApi, "wait", range(3))
    with pytest.raises(UserError, match="left out 5 requests"):
        place.run(range(8), budget=0.0016)
    assert len(server.batches) == 1
