"""``evenflow bundle``: show or verify a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from evenflow.cli import options
from evenflow.cli.guard import Group, print_json
from evenflow.cli.report import summary
from evenflow.cli.text import columns, pairs, plain_lines
from evenflow.errors import BundleError


@click.group(cls=Group, short_help="Show or verify a trained model.")
def bundle() -> None:
    """Show or verify a bundle, the folder that holds a trained model."""


@bundle.command("show", short_help="Show what a model reads and how well it performs.")
@click.argument("folder", metavar="BUNDLE", type=options.BUNDLE)
@click.option("--card", is_flag=True, help="Print the model card.")
@options.as_json
def show(folder: Path, *, card: bool, as_json: bool) -> None:
    """Show what the model in BUNDLE reads and decides, and how well it performs."""
    from evenflow.runtime import bundle as bundles

    found = bundles.load(folder)
    if card:
        click.echo(plain_lines(found.card))
        return
    decision = found.decision.to_dict()
    if as_json:
        print_json(
            {
                "manifest": dict(found.manifest),
                "recipe": dict(found.recipe),
                "decision": decision,
                "report": dict(found.report),
            }
        )
        return
    recipe, schema = found.recipe, found.schema
    dataset, model = recipe["dataset"]["name"], recipe["model"]["name"]
    balance = (recipe.get("balance") or {}).get("name", "none")
    facts = {
        "bundle": folder,
        "made by": f"evenflow {found.manifest['evenflow']}",
        "recipe": f"{dataset}/{model}-{balance}, seed {recipe['seed']}",
        "model": f"{found.manifest['model_bytes']:,} bytes of ONNX, "
        f"{found.manifest['n_features']} features",
        "classes": ", ".join(schema.classes),
        "attack above": f"probability {decision['threshold_probability']:.4g}, set at "
        f"{100 * decision['false_alarm_budget']:g} % false alarms on training rows",
    }
    if "unknown_budget" in decision:
        facts["unknown kind"] = (
            f"attacks less sure of their class than all but "
            f"{100 * decision['unknown_budget']:g} % of the training rows of it"
        )
    rows = [
        (c.name, c.kind, c.unit, _range(c.low, c.high), c.description)
        for c in schema.columns
    ]
    click.echo(pairs(facts))
    click.echo()
    click.echo(columns(("column", "kind", "unit", "range", "meaning"), rows))
    click.echo()
    click.echo(_report(folder, found.report))


@bundle.command("verify", short_help="Check every part of a bundle.")
@click.argument("folder", metavar="BUNDLE", type=options.BUNDLE)
@options.as_json
def verify(folder: Path, *, as_json: bool) -> None:
    """Verify BUNDLE: the checksum of every file, the model, and its golden rows."""
    from evenflow.runtime.verify import verify as passed_checks

    passed = passed_checks(folder)
    if as_json:
        print_json({"bundle": str(folder), "passed": passed})
        return
    for check in passed:
        click.echo(f"ok  {check}")


def _report(folder: Path, report: Mapping[str, Any]) -> str:
    try:
        return summary(report)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BundleError(
            f"{folder / 'report.json'}: found an inconsistent report "
            f"({type(error).__name__}: {error}), expected one written by evenflow. "
            "Train the model again"
        ) from error


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return (
        f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}"
    )
