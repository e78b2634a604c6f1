"""Batches with a scripted server: which files are sent, what is paid, and every way in which a batch may end."""

import json

import pytest
from batch_place import build, expected, key
from batch_server import all_answered, answered, refused, unfinished

from semacdr.errors import UserError
from semacdr.llm import batch_api, batch_folder
from semacdr.llm.batch import BatchRun
from semacdr.llm.batch_folder import BatchFolder
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.store import AnswerStore


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
    """Further requests are read only after the previous file was submitted."""
    at = []

    def watched(index):
        at.append((index, len(server.batches)))
        return build(index)

    with AnswerStore(place.folder / "answers.sqlite") as store:
        run = BatchRun(Endpoint(server.url), Bill(), store.put, place.folder / "batches")
        assert run.run(watched(index) for index in range(9)) == {}
    assert at == [(index, max(0, index - 1) // 3) for index in range(9)]


def test_a_key_in_an_error_is_not_shown(place, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server.outcome = lambda requests: ("failed", [], [{"message": "key sk-secret is not allowed"}])
    with pytest.raises(UserError, match=r"was refused: key \*\*\* is not allowed"):
        place.run()


def test_errors_are_asked_again_but_a_refused_request_is_final(place, server):
    passes = []

    def outcome(requests):
        passes.append({request["custom_id"] for request in requests})
        bad = {key(2): (400, "content policy"), key(5): (500, "server error"), key(6): (429, "slow down")}
        if len(passes) > 1:
            del bad[key(6)]
        output = [answered(request) for request in requests if request["custom_id"] not in bad]
        errors = [refused(r, *bad[r["custom_id"]]) for r in requests if r["custom_id"] in bad]
        return "completed", output, errors

    server.outcome = outcome
    with pytest.raises(UserError, match=r"1 of 8 answers are missing .*: server error\nAll other answers are kept"):
        place.run()
    assert passes == [{key(index) for index in range(8)}, {key(5), key(6)}, {key(5)}]
    assert len(place.stored()) == 6
    passes.clear()
    with pytest.raises(UserError):
        place.run()
    assert passes[0] == {key(2), key(5)}  # another run asks for all missing answers, and for nothing else
    server.outcome = all_answered
    assert place.run() == expected()


def test_a_refused_request_gives_its_reason_and_does_not_end_the_run(place, server):
    def outcome(requests):
        bad = [request for request in requests if request["custom_id"] == key(2)]
        output = [answered(request) for request in requests if request not in bad]
        return "completed", output, [refused(request, 400, "content policy") for request in bad]

    server.outcome = outcome
    assert place.run() == expected() | {2: "content policy"}


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


def test_a_refused_batch_is_an_error_with_the_reasons_and_is_submitted_again_once_they_are_fixed(place, server):
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
    with pytest.raises(UserError, match="was cancelled; its 1 answers are kept; the same command asks for the rest"):
        place.run()
    assert place.stored() == {key(0)}
    server.outcome = all_answered
    assert place.run() == expected()
    assert server.asked[key(0)] == 1


def test_batches_that_an_account_s_queue_does_not_hold_wait_for_those_before(place, server, small_files):
    waiting = []
    create = server.create

    def watched(body):
        waiting.append(sum(batch["status"] in batch_api.ENDED for batch in server.batches.values()))
        return create(body)

    server.create = watched
    assert place.run(queued_tokens=70) == expected()  # a prompt has an estimated 12
    assert [batch["tokens"] for batch in place.state()] == [36, 36, 24]
    assert place.run(range(8, 13), queued_tokens=30) == expected(range(8, 13))
    assert [batch["requests"] for batch in place.state()[3:]] == [2, 2, 1]
    assert waiting == [0, 1, 1, 3, 4, 5]
    server.outcome = lambda requests: (
        "failed", [], [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
    )  # fmt: skip
    with pytest.raises(UserError, match=r"Enqueued token limit reached; set llm\.running\.queued_tokens to that limit"):
        place.run(range(20))


def test_the_budget_holds_and_what_it_allowed_is_kept(place, server):
    with pytest.raises(UserError, match=r"the budget of \$0\.0\d left out 5 requests; all others are answered"):
        place.run(budget=0.0016)  # at most 12 prompt tokens and 50 of the answer, by the estimate
    assert len(place.stored()) == 3
    with pytest.raises(UserError, match="left out 5 requests"):
        place.run(budget=0.0016)  # the answers so far cost more than was estimated
    assert len(server.batches) == 1
    assert place.run(budget=1.0) == expected()


def test_two_processes_do_not_share_a_folder(place):
    with (
        BatchFolder(place.folder / "batches"),
        pytest.raises(UserError, match="another process uses this folder of batches; give each job its own"),
    ):
        place.run()


def test_a_damaged_state_is_named(place):
    place.run()
    (place.folder / "batches/state.json").write_text('{"run": ')
    with pytest.raises(UserError, match=r"state\.json: not a state of batches"):
        place.run(range(9))
