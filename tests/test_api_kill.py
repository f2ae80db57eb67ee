"""A real server is killed while a batch is in flight, started again, and asked again under the same key."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import kill_tally
import pytest
from api_office import LICENCE, Office, furnish, licence
from httpx import Client, HTTPError, Response
from killable_server import Server

ROWS = 100
KILLS = 15
#: The kill comes so many seconds after a batch was sent, at most: before, amid or after its transaction.
LONGEST_SECONDS = 0.2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.close()


def batch(number: int) -> dict[str, Any]:
    rows = []
    for row in range(ROWS):
        draft = licence(certificate_number=f"{number:04d}20260101{row:08d}")
        draft.pop("certificate_type_code")
        rows.append(draft)
    return {"type_code": LICENCE, "rows": rows}


def test_a_killed_server_has_lost_nothing_and_doubled_nothing(server: Server) -> None:
    with Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
        office = Office(client, has_chain=False)
        furnish(office, server.first_password)
        office.settle()
        before = client.get("/api/v1/status").json()["size"]
        acknowledged: list[dict[str, Any]] = []
        number = cut_off = 0
        draws = kill_tally.chance("server")
        while number < KILLS or not cut_off:
            # Where every batch was faster than its kill, the next is killed at once.
            delay = draws.uniform(0, LONGEST_SECONDS) if number < KILLS else 0.0
            number += 1
            first = send_and_kill(server, office, number, delay)
            server.start()
            again = send(office, number)
            assert again.status_code == 200, again.text
            cut_off += first is None
            if first is not None:
                # It was acknowledged before the kill: the very same answer is there after it.
                assert again.json() == first.json()
                assert again.headers["idempotency-replayed"] == "true"
            assert again.json()["accepted"] == ROWS
            acknowledged += again.json()["rows"]
        check_all_there(office, acknowledged, before, number * ROWS)


def send(office: Office, number: int) -> Response:
    headers = {"Idempotency-Key": f"killed-batch-{number:04d}"}
    return office.send("POST", "/api/v1/certificates/batch", "registrar", json=batch(number), headers=headers)


def send_and_kill(server: Server, office: Office, number: int, delay: float) -> Response | None:
    """The answer to a batch, or None if the server was killed before it came."""
    answers: list[Response] = []

    def post() -> None:
        with suppress(HTTPError):
            answers.append(send(office, number))

    sender = threading.Thread(target=post)
    sender.start()
    time.sleep(delay)
    kill_tally.count("registry", server.kill(), drawn=True)
    sender.join()
    return answers[0] if answers else None


def check_all_there(office: Office, acknowledged: list[dict[str, Any]], before: int, total: int) -> None:
    office.settle()
    assert len({row["id"] for row in acknowledged}) == len({row["identifier"] for row in acknowledged}) == total
    standing: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = office.send("GET", f"/api/v1/certificates?limit=200{cursor}", "auditor").json()
        standing += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert {line["id"] for line in standing} == {row["id"] for row in acknowledged}
    assert len({line["number"] for line in standing}) == len(standing) == total
    # One entry of the log for each, each at a place of its own, and no other entry.
    assert len({line["index"] for line in standing}) == total
    assert office.client.get("/api/v1/status").json()["size"] == before + total
