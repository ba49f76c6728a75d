"""How long a plan takes on a cluster, and how many requests: what `explain` predicts if it is told of workers."""

from __future__ import annotations

from typing import Any

from ._bigarrays import InvalidArgumentError
from ._progress import duration, in_bytes
from ._rates import FREE, LOOP, OTHERS, RATES, Rate

#: Requests of a worker that are under way at the same time, behind a network.
_FAR = 32

Price = float | tuple[float, float]


def estimated(
    plan: dict[str, Any],
    workers: int,
    bandwidth: float | None = None,
    latency: float | None = None,
    price: Price | None = None,
) -> dict[str, Any]:
    """The plan with an `estimate` of each pass and of all of them.

    A pass takes as long as the slowest of three: elements are decoded, computed and encoded at the rates of `_rates.py`; stored bytes
    go through the network; requests wait for their answers, some of which are under way at the same time. Blocks are as long as each
    other, and whole blocks are given to workers. What passes leave for each other in scratch files is not counted.
    """
    if workers < 1 or any(given is not None and given < 0 for given in (bandwidth, latency)) or bandwidth == 0:
        raise InvalidArgumentError(f"workers={workers}, bandwidth={bandwidth}, latency={latency}")
    prices = price if isinstance(price, tuple) else (price, price)
    passes = [
        one | {"estimate": _of_pass(whole, workers, bandwidth, latency, prices)}
        for one, whole in zip(plan["passes"], _of_all_boxes(plan), strict=True)
    ]
    total: dict[str, Any] = {}
    for name in ("seconds", "reads", "writes", "bytes_read", "bytes_written", "cost"):
        values = [one["estimate"][name] for one in passes]
        total[name] = None if None in values else sum(values)
    total["workers"] = workers
    total["assumed"] = sorted({said for one in passes for said in one["estimate"].pop("assumed")})
    return plan | {"passes": passes, "estimate": total}


def _of_all_boxes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The passes; where a result is made in boxes, those of all of them, the first of which reads what the boxes hold."""
    boxes = plan["boxes"]
    if boxes is None:
        return list(plan["passes"])
    # A box is a task: its blocks are those of one worker. Passes that go on from box to box are those of all elements.
    of_box = len(plan["passes"]) - boxes["carried"]
    of_all = {"blocks": boxes["count"], "in_one_process": False}

    def times(number: int) -> int:
        return int(boxes["count"]) if number < of_box else 1

    return [
        one
        | of_all
        | {"bytes": one["bytes"] * times(number), "reads": [] if number else boxes["reads"]}
        | {"writes": [flow | {name: flow[name] * times(number) for name in ("count", "bytes")} for flow in one["writes"]]}
        for number, one in enumerate(plan["passes"])
    ]


def _of_pass(
    one: dict[str, Any],
    workers: int,
    bandwidth: float | None,
    latency: float | None,
    prices: tuple[float | None, float | None],
) -> dict[str, Any]:
    processor = one["bytes"] * one["loops"] / (LOOP * 1e6)
    moved, requests, assumed = [0.0, 0.0], [0, 0], set()
    for way, flows in enumerate((one["reads"], one["writes"])):
        for flow in flows:
            rate, said = _rate(flow["codecs"])
            assumed |= said
            processor += flow["bytes"] / ((rate.encode if way else rate.decode) * 1e6)
            moved[way] += flow["bytes"] / rate.ratio
            # The index of a shard is a request of its own for each block.
            requests[way] += flow["count"] + (one["blocks"] if flow["sharded"] and not way else 0)
    blocks = max(one["blocks"], 1)
    busiest = blocks if one["in_one_process"] else -(-blocks // workers)
    seconds = {
        "processors": processor,
        "bandwidth": sum(moved) / bandwidth if bandwidth else 0.0,
        "latency": sum(requests) * (latency or 0.0) / max(one["in_flight"], _FAR),
    }
    slowest = max(seconds, key=lambda name: seconds[name])
    costs = [count * price for count, price in zip(requests, prices, strict=True) if price is not None]
    return {
        "seconds": seconds[slowest] * busiest / blocks,
        "limited_by": slowest,
        "reads": requests[0],
        "writes": requests[1],
        "bytes_read": int(moved[0]),
        "bytes_written": int(moved[1]),
        "cost": sum(costs) if costs else None,
        "assumed": assumed,
    }


def _rate(codecs: list[str]) -> tuple[Rate, set[str]]:
    """The rate of a pipeline, and what had to be assumed for it."""
    costly = [name for name in codecs if name not in FREE]
    known = [RATES[name] for name in costly if name in RATES] or ([] if costly else [RATES["raw"]])
    said = {f"{name} is taken for {OTHERS}, as it was not measured" for name in costly if name not in RATES}
    known += [RATES[OTHERS]] * len(said)
    # One after the other.
    decode, encode = (1 / sum(1 / one[way] for one in known) for way in (0, 1))
    return Rate(decode, encode, max(one.ratio for one in known)), said


def words(plan: dict[str, Any]) -> str:
    """The estimates, a line for each pass and one for all."""
    lines = []
    for number, one in enumerate(plan["passes"], 1):
        found = one["estimate"]
        lines.append(f"pass {number}: {_said(found)}; the slowest are {_SLOWEST[found['limited_by']]}")
    total = plan["estimate"]
    lines.append(f"on {total['workers']} workers: {_said(total)}")
    return "\n".join([*lines, *total["assumed"]])


_SLOWEST = {"processors": "processors", "bandwidth": "bytes on the network", "latency": "answers to requests"}


def _said(found: dict[str, Any]) -> str:
    cost = "" if found["cost"] is None else f", which cost {found['cost']:.2f}"
    return (
        f"{duration(found['seconds'])}, {found['reads']:,} reads of {in_bytes(found['bytes_read'])}, "
        f"{found['writes']:,} writes of {in_bytes(found['bytes_written'])}{cost}"
    )
