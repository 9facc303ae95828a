"""A budget binds before money is spent, stops cleanly, and a run with more goes on from there."""

import pytest

from benchmarks.scripted_server.server import Manner, ScriptedServer
from pipelines.errors import UserError
from pipelines.models.budget import BudgetSpentError, most_money
from pipelines.models.client import ModelClient
from pipelines.models.reply_store import read_attempts
from schemas.model_request import ModelRole
from tests.pipelines.models.asking import make_picture, make_request, make_spec

REQUESTS = [make_request(f"question {number}") for number in range(80)]


def open_with_budget(root, server, budget, **changes):
    spec = make_spec(server.url, max_in_flight=8, **changes)
    return ModelClient(root, {ModelRole.SOLVER: spec}, {"a": make_picture()}.__getitem__, budget)


def test_a_budget_is_never_exceeded_and_the_rest_is_asked_with_a_larger_one(tmp_path):
    with ScriptedServer({"count": lambda scene, asked, rng: "x" * 200}, manner=Manner(latency=0.005)) as server:
        with open_with_budget(tmp_path, server, None) as client:
            client.check()
            probes = client.spent
        budget = probes + 0.005
        with open_with_budget(tmp_path, server, budget) as client:
            with pytest.raises(BudgetSpentError, match="goes on"):
                client.ask_all(REQUESTS)
            stopped_at = client.spent
        asked = server.counts.outcomes["ok"]
        assert 0 < asked < 80 and stopped_at <= budget
        with open_with_budget(tmp_path, server, budget) as client:
            with pytest.raises(BudgetSpentError):
                client.ask_all(REQUESTS)
            assert client.spent == stopped_at
        assert server.counts.outcomes["ok"] == asked, "nothing is spent after the stop"
        with open_with_budget(tmp_path, server, 10.0) as client:
            assert all(reply.error is None for reply in client.ask_all(REQUESTS))
            assert client.spent == pytest.approx(sum(attempt.money for attempt in read_attempts(tmp_path)))
        assert server.counts.outcomes["ok"] == 80 and set(server.counts.paid.values()) == {1}


def test_what_is_on_disk_costs_nothing_of_the_budget(tmp_path):
    with ScriptedServer() as server:
        with open_with_budget(tmp_path, server, None) as client:
            first = client.ask_all(REQUESTS[:10])
        with open_with_budget(tmp_path, server, 0.0) as client:
            assert client.ask_all(REQUESTS[:10]) == first
            with pytest.raises(BudgetSpentError):
                client.ask(REQUESTS[11])


def test_the_most_a_request_may_cost_is_more_than_what_it_costs(tmp_path):
    with ScriptedServer() as server, open_with_budget(tmp_path, server, None) as client:
        for request in (make_request("x" * 5000), make_request("?", image_id="a"), make_request("?" * 7, n=3)):
            reply = client.ask(request)
            assert 0 < reply.money <= most_money(request, make_spec(server.url))


def test_a_budget_that_cannot_bind_is_refused(tmp_path):
    with ScriptedServer() as server:
        with pytest.raises(UserError, match="needs prices"):
            open_with_budget(tmp_path, server, 1.0, input_price=0, output_price=0)
        for budget in (-1.0, float("nan")):
            with pytest.raises(UserError, match="must not be negative"):
                open_with_budget(tmp_path, server, budget)
