"""Killed at any moment and started again: what was paid for is not paid for twice."""

import multiprocessing
import os
import random
import signal
import time

from benchmarks.scripted_server.server import Manner, ScriptedServer
from pipelines.models.keys import key_of
from pipelines.models.reply_store import read_attempts, read_replies
from tests.pipelines.models.asking import make_spec
from tests.pipelines.models.asking_child import IN_FLIGHT, REQUESTS, all_requests, ask_everything

KILLS = 20


def stored(root):
    return {reply.request_key for reply in read_replies(root)}


def test_killed_at_20_moments_a_run_pays_for_as_many_calls_as_one_that_was_not(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pipelines.models.asking_child", "pipelines.models.server", "openai"])
    rng = random.Random(20)
    spec = make_spec("http://a/v1")
    keys = {key_of(request, spec) for request in all_requests()}
    with ScriptedServer(manner=Manner(latency=0.01, knows_repeats=True)) as server:
        kept_before_kills, killed = [], 0
        for moment in sorted(rng.sample(range(1, REQUESTS), KILLS)):
            process = context.Process(target=ask_everything, args=(str(tmp_path), server.url))
            process.start()
            while process.is_alive() and len(server.counts.paid) < moment:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.01))
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            process.join(20)
            kept_before_kills.append((dict(server.counts.sent), stored(tmp_path)))
        assert killed >= KILLS - 2
        ask_everything(str(tmp_path), server.url)
        counts = server.counts
    assert stored(tmp_path) >= keys
    assert sum(counts.paid.values()) == REQUESTS, "as many as one run without any kill"
    for sent_then, had in kept_before_kills:
        assert all(counts.sent[key] == sent_then[key] for key in had & keys), "what was kept is never sent again"
    repeated = counts.outcomes["ok"] - REQUESTS
    unkept = killed * (int(IN_FLIGHT * 1.25) + 1)  # on the wire, or on the way to the disk
    assert 0 <= repeated <= unkept, "what a server that bills every answer bills twice"
    attempts = [attempt for attempt in read_attempts(tmp_path) if attempt.request_key in keys]
    assert len(attempts) == len({attempt.request_key for attempt in attempts}) == REQUESTS
