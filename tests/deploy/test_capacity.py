"""The arithmetic of docs/capacity.md."""

from __future__ import annotations

import pytest

from benchmarks.capacity import (
    Assumptions,
    PhotoCost,
    core_hours_per_million,
    fleet,
    images_per_core_second,
    price_per_million,
)

COST = PhotoCost(gateway_ms=20, triton_ms=30, gateway_mb=400, triton_mb=1000, message_bytes=150_000)
ASSUMED = Assumptions(utilisation=0.5, pod_cores=2, core_hour_price=0.05)


def test_a_million_images() -> None:
    assert images_per_core_second(COST) == pytest.approx(20)
    # 1e6 x 50 ms = 50,000 core seconds of work, on cores half used.
    assert core_hours_per_million(COST, ASSUMED) == pytest.approx(100_000 / 3600)
    assert price_per_million(COST, ASSUMED) == pytest.approx(100_000 / 3600 * 0.05)


def test_a_fleet_keeps_its_tritons_busy() -> None:
    plan = fleet(12, COST, ASSUMED)
    # 12 x 2 cores half used: 12 core seconds a second, 30 ms each.
    assert plan.images_per_second == pytest.approx(400)
    # 400 x 20 ms = 8 core seconds a second, on gateways that offer one each.
    assert plan.gateways == 8
    assert plan.cores == 40
    assert plan.memory_gb == pytest.approx(15.2)
    assert plan.network_gbit_per_second == pytest.approx(400 * 150_000 * 8 / 1e9)
    assert plan.connections == 96
    assert plan.price_per_hour == pytest.approx(2)


def test_part_of_a_gateway_is_a_gateway() -> None:
    assert fleet(1, COST, ASSUMED).gateways == 1
    assert fleet(2, COST, ASSUMED).gateways == 2


def test_the_price_of_a_million_is_that_of_the_fleets_hours() -> None:
    plan = fleet(12, COST, ASSUMED)
    hours = 1e6 / plan.images_per_second / 3600
    assert hours * plan.price_per_hour == pytest.approx(price_per_million(COST, ASSUMED))
