"""Whole runs under fire: killed at any moment, faults on every third call, budgets; paid once, all accounted for."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_answers.stand_in import StandIn
from benchmarks.scripted_server.script import FAULTS, Faults, Manner
from benchmarks.scripted_server.server import ScriptedServer
from pipelines.models.budget import BudgetSpentError
from pipelines.models.reply_store import read_attempts, read_replies
from pipelines.models.spend import spend_of, total
from pipelines.store import Dataset
from pipelines.verify import verify_dataset
from tests.pipelines.model_steps.run_child import run_small

KILLS = int(os.environ.get("HOPYARD_KILLS", "4"))
TABLES = ("questions", "rollouts", "verdicts", "decisions", "named", "looks")


@pytest.fixture
def serve(book):
    """Gives a generator and a judge that answer by script."""

    @contextmanager
    def run(faults=None, **manner):
        vlm, judge = StandIn(Rates(wrong=0.2)), StandIn(Rates(wrong=0.2))
        first = Manner(model="small-writer", knows_repeats=True, **manner)
        second = Manner(model="arbiter", seed=1, knows_repeats=True, **manner)
        with (
            ScriptedServer(vlm.answers(), book, faults, first) as one,
            ScriptedServer(judge.answers(), book, faults, second) as two,
        ):
            yield one, two

    return run


def paid(servers):
    return sum(sum(server.counts.paid.values()) for server in servers)


def answered(servers):
    return sum(server.counts.outcomes["ok"] for server in servers)


def rows_of(root):
    dataset = Dataset.open(root)
    return {table: sorted(map(str, dataset.read(table).to_pylist())) for table in TABLES}


@pytest.mark.slow
@pytest.mark.timeout(120 + 30 * KILLS)
def test_killed_at_random_moments_a_run_pays_as_often_and_ends_the_same(serve, tiny_source, tmp_path):
    source = tuple(map(str, tiny_source))
    with serve() as (vlm, judge):
        run_small(str(tmp_path / "whole"), source, (vlm.url, judge.url))
        whole = paid((vlm, judge))
    assert whole > 50
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pipelines.model_steps.run_child", "pipelines.models.server", "openai"])
    rng = random.Random(6)
    killed = 0
    with serve(latency=0.005) as (vlm, judge):
        urls = (vlm.url, judge.url)
        for moment in sorted(rng.sample(range(whole), KILLS)):
            process = context.Process(target=run_small, args=(str(tmp_path / "out"), source, urls))
            process.start()
            while process.is_alive() and answered((vlm, judge)) < moment + killed:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.02))
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            process.join(60)
        assert killed >= KILLS // 2
        run_small(str(tmp_path / "out"), source, urls)
        assert paid((vlm, judge)) == whole
        assert set((vlm.counts.paid + judge.counts.paid).values()) == {1}
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")


def test_with_30_percent_faults_every_row_ends_and_every_token_is_accounted_for(serve, tiny_source, tmp_path):
    faults = Faults(
        rate_limited=0.06, server_error=0.06, timeout=0.02, truncated=0.05, bad_json=0.05, reset=0.06,
        retry_after=0.02, hang_seconds=60,
    )  # fmt: skip
    source = tuple(map(str, tiny_source))
    with serve() as (vlm, judge):
        run_small(str(tmp_path / "calm"), source, (vlm.url, judge.url))
    with serve(faults) as servers:
        vlm, judge = servers
        result = run_small(str(tmp_path / "out"), source, (vlm.url, judge.url))
        outcomes = vlm.counts.outcomes + judge.counts.outcomes
        tokens = sum(s.counts.input_tokens + s.counts.output_tokens + s.counts.probe_tokens for s in servers)
        assert set((vlm.counts.paid + judge.counts.paid).values()) == {1}
    assert result.failed == 0
    assert sum(outcomes[fault] for fault in FAULTS) > 0.2 * sum(outcomes.values())
    rows = total(spend_of(tmp_path / "out"))
    assert rows.input_tokens + rows.output_tokens == tokens
    keys = Counter(reply.request_key for reply in read_replies(tmp_path / "out"))
    assert set(keys.values()) == {1}
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "calm")
    assert verify_dataset(Dataset.open(tmp_path / "out")).problems == ()


def test_a_budget_ends_a_run_and_a_larger_one_goes_on_without_paying_again(serve, tiny_source, tmp_path):
    source = tuple(map(str, tiny_source))
    with serve() as servers:
        vlm, judge = servers
        urls = (vlm.url, judge.url)
        with pytest.raises(BudgetSpentError, match="goes on"):
            run_small(str(tmp_path), source, urls, budget=0.03)
        spent, asked = total(spend_of(tmp_path)).money, answered(servers)
        assert 0 < spent <= 0.03 and asked > 0
        with pytest.raises(BudgetSpentError):
            run_small(str(tmp_path), source, urls, budget=0.03)
        assert answered(servers) == asked, "nothing is spent after the stop"
        run_small(str(tmp_path), source, urls, budget=100.0)
        assert set((vlm.counts.paid + judge.counts.paid).values()) == {1}
        assert answered(servers) == paid(servers)
    money = sum(attempt.money for attempt in read_attempts(tmp_path))
    assert money == pytest.approx(total(spend_of(tmp_path)).money) and money > 0.03
