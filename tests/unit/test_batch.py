"""Batches against a scripted server: nothing is paid twice, nothing is lost, whatever happens on the way."""

import argparse
import json
import re
from pathlib import Path

import httpx2
import pytest
from batch_server import BatchServer, all_answered, answered, refused, unfinished

from semacdr.errors import UserError
from semacdr.llm import batch_api, batch_folder, options
from semacdr.llm.asker import Asker
from semacdr.llm.batch import BatchRun
from semacdr.llm.batch_folder import BatchFolder
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill, Price
from semacdr.llm.requests import Asking
from semacdr.llm.store import AnswerStore

PRICE = Price(input=1.0, output=10.0)  # an answer of the server costs 0.002 dollars


@pytest.fixture
def server():
    with BatchServer() as server:
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(batch_api.time, "sleep", lambda _: None)


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(batch_folder, "MOST_REQUESTS", 3)


def build(index, prompt="Describe"):
    messages = [{"role": "user", "content": f"{prompt} item {index}"}]
    return Asking("model-1", "w1", {"temperature": 0}).request(f"item {index}", messages, 0, 50)


def key(index):
    return build(index).key.hex()


class Place:
    """A store and a folder of batches, and a run of them as another process would make it: from what is on disk."""

    def __init__(self, folder, server, **running):
        self.folder, self.server, self.running = folder, server, running

    def run(self, indices=range(8), build=build, budget=None, batch=True, **running):
        """Asker's answers by index: the text, or why there is none."""
        endpoint = Endpoint(self.server.url, **self.running | running) if self.server else None
        self.bill = Bill(PRICE, budget)
        with AnswerStore(self.folder / "answers.sqlite") as store:
            asker = Asker(store, endpoint, self.bill, self.folder / "batches" if batch else None)
            return {i: a if isinstance(a, str) else a.text for i, a in asker.answers(indices, build)}

    def stored(self):
        with AnswerStore(self.folder / "answers.sqlite") as store:
            return {row[0].hex() for row in store.rows()}

    def files(self):
        return sorted((self.folder / "batches").glob("?????.jsonl"))

    def state(self):
        return json.loads((self.folder / "batches/state.json").read_text())["batches"]


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server)


def expected(indices=range(8), prompt="Describe"):
    return {index: f"answer to {prompt} item {index}" for index in indices}


def test_all_are_answered_in_files_of_the_size_that_is_allowed(place, server, small_files):
    assert place.run() == expected()
    assert [len(path.read_text().splitlines()) for path in place.files()] == [3, 3, 2]
    assert [server.files[batch["input_file_id"]] for batch in server.batches.values()] == [
        path.read_bytes() for path in place.files()
    ]
    assert set(server.asked.values()) == {1} and server.chats == []
    lines = [json.loads(line) for path in place.files() for line in path.read_text().splitlines()]
    assert lines[0] == {
        "custom_id": key(0),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": build(0).body,
    }
    assert {line["custom_id"] for line in lines} == place.stored() == {key(index) for index in range(8)}
    assert place.bill.spent == pytest.approx(8 * 0.002)


def test_a_file_has_no_more_bytes_than_allowed(place, server, monkeypatch):
    line = 1 + len(json.dumps({"custom_id": key(0), "method": "POST", "url": batch_folder.ROUTE, "body": build(0).body},
                              separators=(",", ":")))  # fmt: skip
    monkeypatch.setattr(batch_folder, "MOST_BYTES", 2 * line)
    assert place.run() == expected()
    assert [path.stat().st_size for path in place.files()] == 4 * [2 * line]


def test_an_answer_by_batch_is_one_over_the_wire_and_the_other_way_round(place, server):
    place.run(range(4))
    assert place.run(range(4), batch=False) == expected(range(4))
    assert server.chats == []
    place.run(range(8), batch=False)
    assert len(server.chats) == 4
    assert place.run(range(8)) == expected()
    assert len(server.batches) == 1


def test_requests_of_one_file_at_a_time_are_held(place, server, small_files):
    """The stream is read on only when the file before is submitted."""
    at = []

    def watched(index):
        at.append((index, len(server.batches)))
        return build(index)

    with AnswerStore(place.folder / "answers.sqlite") as store:
        run = BatchRun(Endpoint(server.url), Bill(), store.put, place.folder / "batches")
        assert run.run(watched(index) for index in range(9)) == {}
    assert at == [(index, max(0, index - 1) // 3) for index in range(9)]


# Killed at every moment


class Killed(BaseException):
    """As kill -9 for what is in this process: no handler of the code under test catches it."""


class Fate:
    """Kills at the n-th event; events are each note of the state, request, answer to a request, and answer kept."""

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


def test_a_run_that_is_killed_at_any_moment_goes_on_and_pays_nothing_twice(tmp_path, small_files):
    """Five requests, of which one fails at first: files, a second round, in all some hundred moments to die at."""
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
            server.shutdown()
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
    assert place.run(retries=0) == expected()
    assert set(server.asked.values()) == {1}


def test_an_endpoint_that_stays_out_of_reach_is_named_and_the_run_goes_on_later(place, server):
    server.broken["GET /batches/*"] = 1000
    message = "(?s)/v1: .*broken.*What is under way is noted in .*batches; the same command goes on"
    with pytest.raises(UserError, match=message):
        place.run(retries=0)
    server.broken.clear()
    assert place.run() == expected()
    assert len(server.batches) == 1


def test_a_key_in_an_error_is_not_shown(place, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server.outcome = lambda requests: ("failed", [], [{"message": "key sk-secret is not allowed"}])
    with pytest.raises(UserError, match=r"was refused: key \*\*\* is not allowed"):
        place.run()


# What ends otherwise


def test_a_process_days_later_collects_what_one_has_submitted(place, server, small_files, monkeypatch):
    monkeypatch.setattr(batch_api.BatchApi, "wait", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        place.run()
    monkeypatch.undo()
    monkeypatch.setattr(batch_api.time, "sleep", lambda _: None)
    assert place.stored() == set()
    assert len(server.batches) == 3
    assert place.run(range(9)) == expected(range(9))  # and asks for what came in the meantime
    assert set(server.asked.values()) == {1}
    assert [batch["requests"] for batch in place.state()] == [3, 3, 2, 1]


def test_errors_are_asked_again_but_what_is_refused_as_it_is_is_final(place, server):
    rounds = []

    def outcome(requests):
        rounds.append({request["custom_id"] for request in requests})
        bad = {key(2): (400, "content policy"), key(5): (500, "server error"), key(6): (429, "slow down")}
        if len(rounds) > 1:
            del bad[key(6)]
        output = [answered(request) for request in requests if request["custom_id"] not in bad]
        errors = [refused(r, *bad[r["custom_id"]]) for r in requests if r["custom_id"] in bad]
        return "completed", output, errors

    server.outcome = outcome
    assert place.run() == expected() | {2: "content policy", 5: "server error"}
    assert rounds == [{key(index) for index in range(8)}, {key(5), key(6)}, {key(5)}]
    assert len(place.stored()) == 6
    server.outcome = all_answered
    assert place.run() == expected()  # another run asks for all that is missing


def test_rounds_are_counted_over_processes(place, server, monkeypatch):
    server.outcome = lambda requests: ("completed", [], [refused(request, 500, "server error") for request in requests])
    for _ in range(3):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(BatchRun, "_failed_in", lambda *_: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                place.run(range(2))
    assert place.run(range(2)) == {0: "server error", 1: "server error"}
    assert server.asked == {key(0): 3, key(1): 3}


def test_of_an_expired_batch_what_was_answered_is_kept(place, server):
    def outcome(requests):
        late = requests[3:]
        return "expired" if late else "completed", [answered(r) for r in requests[:3]], [unfinished(r) for r in late]

    server.outcome = outcome
    assert place.run() == expected()
    assert [batch["requests"] for batch in place.state()] == [8, 5, 2]
    assert [server.asked[key(index)] for index in range(8)] == [1, 1, 1, 2, 2, 2, 3, 3]


def test_lines_that_are_lacking_cut_off_or_strange_are_no_answers(place, server):
    def outcome(requests):
        if len(requests) < 8:
            return all_answered(requests)
        strange = [
            {"custom_id": "not ours", "response": None},
            {"custom_id": "ff" * 32, "response": {"status_code": 200, "body": {}}},
            {"no": "id"},
            {"custom_id": key(0), "response": {"status_code": 200, "body": {"choices": [{"index": 0}]}}},
            {"custom_id": key(1), "response": {"status_code": 200, "body": {"choices": {"a": 1}}}},
            {"custom_id": key(2), "response": "?"},
            {"custom_id": key(3), "response": None, "error": None},
        ]
        return "completed", [*strange, *(answered(r) for r in requests[4:7])], []

    server.outcome = outcome
    assert place.run() == expected()
    assert [batch["requests"] for batch in place.state()] == [8, 5]


def test_a_batch_that_is_refused_is_an_error_with_the_reasons_and_tried_anew_when_they_are_mended(place, server):
    errors = [
        {"code": "invalid_json_line", "message": "line 2 is not JSON", "line": 2},
        {"code": "x", "message": "and so"},
    ]
    server.outcome = lambda requests: ("failed", [], errors)
    with pytest.raises(UserError, match="batch batch_2 was refused: line 2 is not JSON; and so"):
        place.run()
    server.outcome = all_answered
    assert place.run() == expected()


def test_a_batch_that_somebody_cancelled_stops_the_run_with_its_answers_kept(place, server):
    server.outcome = lambda requests: ("cancelled", [answered(requests[0])], [unfinished(r) for r in requests[1:]])
    with pytest.raises(UserError, match="was cancelled; its 1 answers are kept, the same command asks for the rest"):
        place.run()
    assert place.stored() == {key(0)}
    server.outcome = all_answered
    assert place.run() == expected()
    assert server.asked[key(0)] == 1


def test_batches_that_an_account_s_queue_does_not_hold_wait_for_those_before(place, server, small_files):
    waiting = []
    create = server.create

    def watched(told):
        waiting.append(sum(batch["status"] in batch_api.ENDED for batch in server.batches.values()))
        return create(told)

    server.create = watched
    assert place.run(queued_tokens=70) == expected()  # a prompt has 12 by the estimate
    assert [batch["tokens"] for batch in place.state()] == [36, 36, 24]
    assert place.run(range(8, 13), queued_tokens=30) == expected(range(8, 13))
    assert [batch["requests"] for batch in place.state()[3:]] == [2, 2, 1]
    assert waiting == [0, 1, 1, 3, 4, 5]
    server.outcome = lambda requests: (
        "failed", [], [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
    )  # fmt: skip
    with pytest.raises(UserError, match=r"Enqueued token limit reached; llm\.running\.queued_tokens holds that limit"):
        place.run(range(20))


def test_answers_to_a_prompt_that_changed_since_are_kept_but_not_asked_again(place, server, monkeypatch):
    monkeypatch.setattr(batch_api.BatchApi, "wait", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        place.run()
    monkeypatch.undo()
    monkeypatch.setattr(batch_api.time, "sleep", lambda _: None)

    def outcome(requests):
        return "completed", [answered(r) for r in requests[2:]], [refused(r, 500, "server error") for r in requests[:2]]

    server.outcome = outcome

    def changed(index):
        return build(index, "Tell of")

    found = place.run(build=changed)
    assert {index for index, text in found.items() if text == "server error"} == {0, 1}
    assert {key(index) for index in range(2, 8)} < place.stored()
    assert [server.asked[key(index)] for index in range(8)] == 8 * [1]
    assert [server.asked[changed(index).key.hex()] for index in range(8)] == [3, 3, 1, 1, 1, 1, 1, 1]


def test_a_file_of_a_prompt_that_changed_is_not_submitted(place, server, monkeypatch):
    monkeypatch.setattr(batch_api.BatchApi, "submit", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        place.run()
    monkeypatch.undo()
    monkeypatch.setattr(batch_api.time, "sleep", lambda _: None)
    assert place.run(build=lambda index: build(index, "Tell of")) == expected(prompt="Tell of")
    assert not {key(index) for index in range(8)} & server.asked.keys()
    assert len(place.files()) == 1


def test_the_budget_holds_and_what_it_allowed_is_kept(place, server):
    with pytest.raises(UserError, match=r"the budget of \$0\.0\d left 5 requests out; all others are done"):
        place.run(budget=0.0016)  # at most 12 prompt tokens and 50 of the answer, by the estimate
    assert len(place.stored()) == 3
    with pytest.raises(UserError, match="left 5 requests out"):
        place.run(budget=0.0016)  # the answers so far cost more than was estimated
    assert len(server.batches) == 1
    assert place.run(budget=1.0) == expected()


def test_the_budget_knows_what_an_earlier_process_has_under_way(place, server, monkeypatch):
    monkeypatch.setattr(batch_api.BatchApi, "wait", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        place.run(range(3))
    monkeypatch.undo()
    monkeypatch.setattr(batch_api.time, "sleep", lambda _: None)
    with pytest.raises(UserError, match="left 5 requests out"):
        place.run(range(8), budget=0.0016)
    assert len(server.batches) == 1


def test_two_processes_do_not_share_a_folder(place):
    with (
        BatchFolder(place.folder / "batches"),
        pytest.raises(UserError, match="another process works with this folder of batches; give each its own"),
    ):
        place.run()


def test_a_damaged_state_is_named(place):
    place.run()
    (place.folder / "batches/state.json").write_text('{"run": ')
    with pytest.raises(UserError, match=r"state\.json: not a state of batches"):
        place.run(range(9))


# Files for vLLM


def vllm(place, lines=lambda requests: [answered(request) for request in requests]):
    """What run-batch does: an answers file for each file that a message names."""
    with pytest.raises(UserError) as caught:
        place.run()
    commands = re.findall(r"^  vllm run-batch -i (\S+) -o (\S+) --model (\S+)$", str(caught.value), re.MULTILINE)
    for requests, answers, model in commands:
        assert model == "model-1"
        told = [json.loads(line) for line in Path(requests).read_text().splitlines()]
        Path(answers).write_text("\n".join(json.dumps(line) for line in lines(told)))
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
    found = place.run()
    assert found == expected() | {6: "too long", 7: "the batch ended as completed without an answer"}


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


def test_run_batch_leaves_what_an_endpoint_has_under_way(place, monkeypatch):
    monkeypatch.setattr(batch_api.BatchApi, "wait", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        place.run()
    place.server = None
    with pytest.raises(UserError, match="submitted to an endpoint; collect them without --run-batch first"):
        place.run()


def test_run_batch_needs_a_folder(tmp_path):
    cli = argparse.ArgumentParser()
    options.add_options(cli)
    args = cli.parse_args(["--model", "m", "--store", f"{tmp_path}/a.sqlite", "--run-batch"])
    with pytest.raises(UserError, match=r"--run-batch needs --batch \(llm\.batch\)"), options.asker(args):
        pass
