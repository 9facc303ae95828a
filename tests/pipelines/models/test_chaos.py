"""Model calls under fire: whatever the server does, every request ends once, and the spend adds up to the token."""

import time

import pytest

from benchmarks.scripted_server.script import FAULTS
from benchmarks.scripted_server.server import Faults, Manner, ScriptedServer
from pipelines.models.reply_store import read_attempts, read_replies
from schemas.model_reply import ErrorKind
from tests.pipelines.models.asking import make_request, open_client

CHAOS = Faults(
    rate_limited=0.06,
    server_error=0.06,
    timeout=0.02,
    truncated=0.05,
    bad_json=0.05,
    reset=0.05,
    retry_after=0.02,
    hang_seconds=60,
)
SPEND = ("input_tokens", "output_tokens")


def test_with_30_percent_faults_every_request_ends_once_and_every_token_is_accounted_for(tmp_path):
    requests = [make_request(f"question {number} {'x' * (number % 97)}") for number in range(200)]
    with ScriptedServer(faults=CHAOS) as server:
        with open_client(tmp_path, server.url, attempts=12, call_seconds=6.0, row_seconds=200) as client:
            replies = client.ask_all(requests)
            spent = client.spent
        counts = server.counts
    assert all(counts.outcomes[fault] > 1 for fault in FAULTS), counts.outcomes
    assert len(replies) == 200 and all(reply.error is None for reply in replies)
    assert counts.outcomes["ok"] == 200 and set(counts.paid.values()) == {1}
    stored = {reply.request_key: reply for reply in read_replies(tmp_path) if reply.job != "probe"}
    attempts = [attempt for attempt in read_attempts(tmp_path) if attempt.job != "probe"]
    assert len(stored) == 200 and stored.keys() == set(counts.paid)
    for field in SPEND:
        assert sum(getattr(reply, field) for reply in stored.values()) == getattr(counts, field)
        assert sum(getattr(attempt, field) for attempt in attempts) == getattr(counts, field)
    assert len(attempts) == counts.outcomes["ok"] + sum(counts.outcomes[fault] for fault in FAULTS)
    by_error = [attempt.error for attempt in attempts]
    assert by_error.count(ErrorKind.BAD_BODY) == counts.outcomes["bad_json"]
    assert by_error.count(ErrorKind.RATE_LIMITED) == counts.outcomes["rate_limited"]
    assert by_error.count(ErrorKind.TIMEOUT) == counts.outcomes["timeout"]
    unknown = sum(not attempt.usage_known for attempt in attempts)
    assert unknown == counts.spoilt + counts.outcomes["timeout"] + counts.outcomes["reset"]
    probe_tokens = sum(a.input_tokens + a.output_tokens for a in read_attempts(tmp_path) if a.job == "probe")
    assert probe_tokens == counts.probe_tokens > 0
    assert spent == pytest.approx(sum(attempt.money for attempt in read_attempts(tmp_path)))


def test_a_request_that_never_succeeds_ends_as_an_error_and_is_asked_again_by_a_rerun(tmp_path):
    request = make_request()
    with (
        ScriptedServer(faults=Faults(server_error=1.0)) as server,
        open_client(tmp_path, server.url, attempts=2) as client,
    ):
        reply = client.ask(request)
    assert (reply.error, reply.texts, reply.attempts) == (ErrorKind.SERVER_ERROR, (), 2)
    assert "500" in reply.error_detail
    with ScriptedServer() as server, open_client(tmp_path, server.url) as client:
        assert client.ask(request).error is None


def test_an_answer_that_comes_late_is_a_timeout_within_the_deadline_of_the_row(tmp_path):
    with (
        ScriptedServer(faults=Faults(timeout=1.0, hang_seconds=60)) as server,
        open_client(tmp_path, server.url, call_seconds=0.3, row_seconds=1.0, attempts=50) as client,
    ):
        started = time.perf_counter()
        reply = client.ask(make_request())
        assert time.perf_counter() - started < 3
    assert reply.error is ErrorKind.TIMEOUT


def test_a_retry_after_beyond_the_deadline_ends_the_request_at_once(tmp_path):
    with (
        ScriptedServer(faults=Faults(rate_limited=1.0, retry_after=90)) as server,
        open_client(tmp_path, server.url, row_seconds=5.0) as client,
    ):
        started = time.perf_counter()
        reply = client.ask(make_request())
        assert time.perf_counter() - started < 3
    assert (reply.error, reply.attempts) == (ErrorKind.RATE_LIMITED, 1)


def test_a_retry_after_is_waited_for(tmp_path):
    with (
        ScriptedServer(faults=Faults(rate_limited=0.5, retry_after=0.3)) as server,
        open_client(tmp_path, server.url, attempts=20) as client,
    ):
        replies = client.ask_all([make_request(f"{number}") for number in range(6)])
        attempts = sorted(read_attempts(tmp_path), key=lambda attempt: (attempt.request_key, attempt.attempt))
    assert server.counts.outcomes["rate_limited"] > 0 and all(reply.error is None for reply in replies)
    pairs = zip(attempts, attempts[1:], strict=False)
    gaps = [b.started - a.started - a.seconds for a, b in pairs if a.request_key == b.request_key]
    assert gaps and min(gaps) > 0.29


def test_a_server_that_is_gone_is_given_up_after_the_patience(tmp_path):
    with ScriptedServer() as server:
        client = open_client(tmp_path, server.url, attempts=10, row_seconds=1.5)
        client.check()
    with client:
        started = time.perf_counter()
        replies = client.ask_all([make_request(f"{number}") for number in range(30)])
        assert time.perf_counter() - started < 10
    assert {reply.error for reply in replies} <= {ErrorKind.UNAVAILABLE, ErrorKind.CONNECTION}


def test_the_work_goes_on_with_another_server_and_comes_back_to_the_first(tmp_path):
    requests = [make_request(f"{number}") for number in range(60)]
    with ScriptedServer(manner=Manner(latency=0.01)) as good:
        first = ScriptedServer()
        with first:
            client = open_client(tmp_path, first.url, good.url, max_in_flight=4)
            client.check()
        with client:
            assert all(reply.error is None for reply in client.ask_all(requests))
            assert good.counts.outcomes["ok"] == 60
            port = int(first.url.rsplit(":", 1)[1].split("/")[0])
            with ScriptedServer(port=port) as back:
                for batch in range(40):  # until the breaker tries again
                    more = client.ask_all([make_request(f"more {batch} {number}") for number in range(20)])
                    assert all(reply.error is None for reply in more)
                    if back.counts.outcomes["ok"] > 5:
                        break
                    time.sleep(0.2)
                assert back.counts.outcomes["ok"] > 5


def test_requests_go_to_the_least_loaded_server(tmp_path):
    slow, fast = Manner(latency=0.2), Manner(latency=0.02)
    with (
        ScriptedServer(manner=slow) as one,
        ScriptedServer(manner=fast) as two,
        open_client(tmp_path, one.url, two.url, max_in_flight=4) as client,
    ):
        client.ask_all([make_request(f"{number}") for number in range(120)])
        assert two.counts.outcomes["ok"] > 3 * one.counts.outcomes["ok"] > 0


def test_the_pace_adapts_to_what_a_server_bears(tmp_path):
    requests = [make_request(f"{number}") for number in range(200)]
    with (
        ScriptedServer(
            faults=Faults(retry_after=0.01), manner=Manner(latency=0.01, at_once=4, most_waiting=4)
        ) as server,
        open_client(tmp_path, server.url, max_in_flight=64, attempts=30) as client,
    ):
        replies = client.ask_all(requests)
        first, second = client.ask_all(requests[:1]), server.counts.outcomes["rate_limited"]
        client.ask_all([make_request(f"later {number}") for number in range(300)])
        later = server.counts.outcomes["rate_limited"] - second
    assert all(reply.error is None for reply in replies) and first
    assert later < 100, "after the first round nearly nothing is refused"
