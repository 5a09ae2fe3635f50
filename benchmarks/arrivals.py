"""Locust file: posts one photo at a constant arrival rate, whatever the service does (an open loop).

Arrival k is due at ``start + k / rate``. A free user takes the next arrival, and there are so many users that one is
free when it is due; should none be, the wait counts as latency, because it is measured from the time due.
Run by ``benchmarks.gateway_load``; the outcome of each arrival goes to ``--outcomes`` as one JSON line.
"""

from __future__ import annotations

import itertools
import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.env import Environment
from locust.exception import StopUser

LEAD_SECONDS = 1.0
"""Time between a test's start and the first arrival: the users start meanwhile."""


@events.init_command_line_parser.add_listener
def add_arguments(parser: ArgumentParser) -> None:
    """Adds this file's own options to Locust's."""
    parser.add_argument("--photo", required=True, help="Image file to post.")
    parser.add_argument("--query", default="", help="Query string of /v1/score.")
    parser.add_argument("--rate", type=float, required=True, help="Arrivals per second.")
    parser.add_argument("--arrivals", type=int, required=True, help="How many.")
    parser.add_argument("--outcomes", required=True, help="File for the outcomes.")


@events.test_start.add_listener
def open_schedule(environment: Environment, **_: Any) -> None:
    """Fixes when the arrivals are due."""
    Visitor.photo = Path(environment.parsed_options.photo).read_bytes()
    Visitor.first_due = time.perf_counter() + LEAD_SECONDS
    Visitor.arrivals = itertools.count()
    Visitor.outcomes = []
    gevent.spawn(quit_when_done, environment)


def quit_when_done(environment: Environment) -> None:
    """Ends the test once every arrival has its outcome."""
    while len(Visitor.outcomes) < environment.parsed_options.arrivals:
        gevent.sleep(0.05)
    environment.runner.quit()


@events.test_stop.add_listener
def write_outcomes(environment: Environment, **_: Any) -> None:
    """Writes what became of each arrival."""
    lines = (json.dumps(outcome) + "\n" for outcome in Visitor.outcomes)
    Path(environment.parsed_options.outcomes).write_text("".join(lines))


class Visitor(FastHttpUser):
    """Posts whenever the next arrival is due."""

    photo: bytes
    first_due: float
    arrivals: itertools.count[int]
    outcomes: list[dict[str, float]]

    @task
    def arrive(self) -> None:
        """Takes the next arrival, waits until it is due and posts the photo."""
        options = self.environment.parsed_options
        number = next(Visitor.arrivals)
        if number >= options.arrivals:
            raise StopUser
        due = Visitor.first_due + number / options.rate
        gevent.sleep(max(0.0, due - time.perf_counter()))
        answer = self.client.post(
            f"/v1/score?{options.query}", data=Visitor.photo, headers={"Content-Type": "image/jpeg"}, name="score"
        )
        seconds = time.perf_counter() - due
        Visitor.outcomes.append({"due": due - Visitor.first_due, "seconds": seconds, "status": answer.status_code})
