"""A process that asks and may be killed at any moment."""

from pathlib import Path

from tests.pipelines.models.asking import make_request, open_client

REQUESTS = 60
IN_FLIGHT = 4


def all_requests():
    return [make_request(f"question {number}") for number in range(REQUESTS)]


def ask_everything(root: str, url: str) -> None:
    with open_client(Path(root), url, max_in_flight=IN_FLIGHT) as client:
        client.ask_all(all_requests())
