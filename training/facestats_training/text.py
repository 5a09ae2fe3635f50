"""The report of a training in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NAMES = {"r": "r", "r_within_sex": "r within sex", "r_within_group": "r within group"}


def statement(report: dict[str, Any]) -> str:
    """One line for the provenance: on what it was trained, how well it does on photos it has not seen, and when."""
    name = report["judged_by"]
    return (
        f"trained on {report['n']} photos of {report['source']}, out-of-fold {_NAMES[name]} "
        f"{_estimate(report['out_of_fold'], name)}, {report['date']}"
    )


def report_markdown(report: dict[str, Any], pictures: Sequence[str]) -> str:
    """The whole report as a page.

    Args:
        report: As written to ``report.json``.
        pictures: File names of the pictures beside it.
    """
    found = report["out_of_fold"]
    lines = [f"# A regressor {report['statement']}", "", _verdict(report), ""]
    lines += [f"- {sentence}" for sentence in report["warnings"]]
    if report["centered"]:
        lines.append(
            f"- Mean differences by {' and '.join(report['centered'])} were taken out of the ratings it learnt."
        )
    lines += [
        "",
        "## Out of fold",
        "",
        "95 % bootstrap intervals over photos; MAE is after the best straight line.",
        "",
    ]
    lines += _table(
        ["photos", "n", "r", "rank correlation", "MAE"],
        [
            ["all", report["n"], *_figures(found, "")],
            *([["within sex", report["n"], *_figures(found, "_within_sex")]] if "by_sex" in found else []),
            *([["within group", report["n"], *_figures(found, "_within_group")]] if "by_group" in found else []),
            *(
                [f"{label or '(none)'}", part["n"], *_figures(part, "")]
                for name in ("by_sex", "by_group")
                for label, part in found.get(name, {}).items()
            ),
        ],
    )
    lines += ["", *_raters(report["raters"]), "## Candidates", ""]
    lines.append(f"Chosen: **{report['candidate']}**, the simplest within 0.01 of the best.\n")
    within = "r_within_sex" in report["candidates"][0]
    lines += _table(
        ["candidate", "what", "r", *(["r within sex"] if within else []), "folds that chose it"],
        [
            [
                item["name"],
                item["what"],
                f"{item['r']:.3f}",
                *([f"{item['r_within_sex']:.3f}"] if within else []),
                item["chosen_in_folds"],
            ]
            for item in report["candidates"]
        ],
    )
    lines += ["", "## Learning curve", ""]
    lines += _table(
        ["photos trained on", "r"], [[item["photos"], f"{item['r']:.3f}"] for item in report["learning_curve"]]
    )
    for name, gaps in report["gaps"].items():
        lines += [
            "",
            f"## Gaps by {name}",
            "",
            "Mean in standard deviations of everybody: by people, and by the score.",
            "",
        ]
        rows = [[gap["group"], gap["photos"], f"{gap['human']:+.2f}", f"{gap['score']:+.2f}"] for gap in gaps]
        lines += _table([name, "photos", "ratings", "score"], rows)
    if report["blend"] is not None:
        lines += [
            "",
            "## Blend",
            "",
            "r of the blended score against the holistic half's share; 0.4 is the default.",
            "",
        ]
        lines += _table(
            ["holistic share", "r"], [[f"{item['holistic']:.1f}", f"{item['r']:.3f}"] for item in report["blend"]]
        )
    lines += ["", *(f"![{name}]({name})" for name in pictures)]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(report: dict[str, Any]) -> str:
    found, name = report["out_of_fold"], report["judged_by"]
    if report["verdict"] == "worthless":
        return (
            f"**Worthless.** Nothing shows that it predicts ratings: out-of-fold {_NAMES[name]} is "
            f"{_estimate(found, name)}, and the interval reaches down to 0."
        )
    return f"On photos it has not seen, its {_NAMES[name]} with the ratings is **{_estimate(found, name)}**."


def _raters(raters: dict[str, Any] | None) -> list[str]:
    if raters is None:
        return []
    low, high = raters["mean_interval"]
    return [
        "## Raters",
        "",
        f"{raters['photos']} photos have several ratings ({raters['ratings']}). Reliability of one rating "
        f"{raters['one']:.2f} (ICC(1,1)), of a photo's mean {raters['mean']:.2f} ({low:.2f} to {high:.2f}): no "
        f"predictor can be expected to reach more than r = {raters['ceiling']:.2f} with these means.",
        "",
    ]


def _figures(found: dict[str, Any], suffix: str) -> list[str]:
    return [_estimate(found, name + suffix) for name in ("r", "rank_correlation", "mae")]


def _estimate(found: dict[str, Any], name: str) -> str:
    value, interval = found[name], found[f"{name}_interval"]
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})")


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [
        f"| {' | '.join(headings)} |",
        "|" + "---|" * len(headings),
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]
