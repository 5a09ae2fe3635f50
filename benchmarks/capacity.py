"""From what one photo costs to what a fleet needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_AN_HOUR = 3600.0
MILLION = 1e6


@dataclass(frozen=True)
class PhotoCost:
    """What one photo with one face costs, as measured.

    Attributes:
        gateway_ms: CPU time of the gateway, milliseconds of one core.
        triton_ms: CPU time of Triton, milliseconds of one core.
        gateway_mb: Memory of one gateway under load, MB.
        triton_mb: Memory of one Triton under load, MB.
        message_bytes: What the gateway sends Triton.
    """

    gateway_ms: float
    triton_ms: float
    gateway_mb: float
    triton_mb: float
    message_bytes: int


@dataclass(frozen=True)
class Assumptions:
    """What an installation chooses or pays; none of it is measured.

    Attributes:
        utilisation: Share of the cores that is used on average; the rest is room for bursts and lost machines.
        pod_cores: Cores of a gateway, and of a Triton.
        core_hour_price: Price of one core with its memory for an hour, in any currency.
    """

    utilisation: float = 0.65
    pod_cores: int = 2
    core_hour_price: float = 0.04


@dataclass(frozen=True)
class Fleet:
    """What serves a number of Triton replicas' worth of photos.

    Attributes:
        tritons: Replicas of Triton.
        gateways: Gateways that keep them busy.
        images_per_second: At the assumed utilisation.
        cores: Of all of them.
        memory_gb: Of all of them.
        network_gbit_per_second: From the gateways to Triton.
        connections: gRPC connections, every gateway holding one to every replica.
        price_per_hour: Of the cores.
    """

    tritons: int
    gateways: int
    images_per_second: float
    cores: int
    memory_gb: float
    network_gbit_per_second: float
    connections: int
    price_per_hour: float


def fleet(tritons: int, cost: PhotoCost, assumed: Assumptions) -> Fleet:
    """The fleet around so many replicas of Triton."""
    busy_cores = assumed.pod_cores * assumed.utilisation
    rate = tritons * busy_cores * 1e3 / cost.triton_ms
    gateways = math.ceil(round(rate * cost.gateway_ms / 1e3 / busy_cores, 6))
    cores = assumed.pod_cores * (tritons + gateways)
    return Fleet(
        tritons=tritons,
        gateways=gateways,
        images_per_second=rate,
        cores=cores,
        memory_gb=(tritons * cost.triton_mb + gateways * cost.gateway_mb) / 1e3,
        network_gbit_per_second=rate * cost.message_bytes * 8 / 1e9,
        connections=tritons * gateways,
        price_per_hour=cores * assumed.core_hour_price,
    )


def images_per_core_second(cost: PhotoCost) -> float:
    """Photos a second of one core that does nothing else, gateway and Triton together."""
    return 1e3 / (cost.gateway_ms + cost.triton_ms)


def core_hours_per_million(cost: PhotoCost, assumed: Assumptions) -> float:
    """Core hours that a million photos take, the unused ones included."""
    return MILLION / images_per_core_second(cost) / SECONDS_AN_HOUR / assumed.utilisation


def price_per_million(cost: PhotoCost, assumed: Assumptions) -> float:
    """Price of a million photos, in the currency of ``core_hour_price``."""
    return core_hours_per_million(cost, assumed) * assumed.core_hour_price
