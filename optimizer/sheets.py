"""A recommendation as a sheet to print: one HTML file that needs nothing besides."""

from __future__ import annotations

from html import escape

from plant.products import FeatureDefinition, Product
from plant.recommendations import Answer, Estimate, Recommendation, StepReason

_STYLE = """
@page { size: A4; margin: 14mm }
body { font: 10pt/1.35 system-ui, sans-serif; color: #111; max-width: 182mm; margin: 1em auto }
h1 { font-size: 16pt; margin: 0 } h2 { font-size: 11pt; margin: 1.1em 0 .3em; border-bottom: 1px solid #999 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left }
th, td { padding: .2em .5em; border-bottom: 1px solid #ddd; vertical-align: top }
th { font-weight: 600; border-bottom: 1px solid #999 }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.answer { font-size: 12pt; margin: .5em 0 } .small { color: #555; font-size: 8.5pt } li { margin: .2em 0 }
.sign td { height: 2.2em } tr { break-inside: avoid }
"""
_ANSWERS = {
    Answer.RECOMMENDED: "Recommended route",
    Answer.KEEP_CURRENT: "Keep the current route",
    Answer.NOT_ENOUGH_EVIDENCE: "Not enough evidence: no route is recommended",
}


def sheet_html(product: Product, features: tuple[FeatureDefinition, ...], said: Recommendation, model_version: str, made_at: str) -> str:
    """Return the sheet of one product."""
    facts = f"{product.family} · made {made_at} · model {model_version} · valid until {said.valid_until:%Y-%m-%d %H:%M} UTC"
    parts = [
        f"<h1>{escape(product.id)}</h1><p class=small>{escape(facts)}</p>",
        f"<p class=answer><b>{_ANSWERS[said.answer]}</b>{f' — {escape(said.reason)}' if said.reason else ''}</p>",
        _features(product, features),
        _expected(said),
        _steps(said),
        _list("Watch on the first parts", [point.text for point in said.watch]),
        _list("What is missing", [one.text for one in said.missing]),
        _pareto(said),
        _today(said),
        _list("Removed by rules", [f"{one.alternative}: {one.text} ({one.rule})" for one in said.removed]),
        _list(
            "Nearest products", [f"{one.product}: distance {one.distance:.2f}, {one.rows:,} measurements" for one in said.nearest_products]
        ),
        "<h2>Decision</h2><table class=sign><tr><td>accepted / declined, because</td><td>name</td><td>date</td></tr></table>",
    ]
    title = f"{escape(product.id)}: {_ANSWERS[said.answer]}"
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en">{head}\n<body>{body}</body></html>\n'


def _features(product: Product, features: tuple[FeatureDefinition, ...]) -> str:
    rows = []
    for feature in features:
        value = product.features[feature.name]
        shown = f"{value:g}" if isinstance(value, float) else escape(value)
        rows.append(f"<tr><td>{escape(feature.name)}</td><td class=n>{shown}</td><td>{escape(feature.unit)}</td></tr>")
    return f"<h2>Features</h2><table>{''.join(rows)}</table>"


def _expected(said: Recommendation) -> str:
    told = said.predicted
    if told is None:
        return ""
    rows = [("cost", _of(told.cost)), ("duration, min", _of(told.duration_min)), ("first-pass yield, %", _of(told.first_pass, 100.0))]
    rows += [(name, _of(one)) for name, one in (("energy, kWh", told.energy_kwh), ("wear", told.wear)) if one is not None]
    if said.gain is not None:
        name = "the current route" if said.gain.against == "current" else "the nearest product's best measured route"
        rows.append((f"saves against {name}", _of(Estimate(said.gain.mean, said.gain.low, said.gain.high))))
    body = "".join(f"<tr><td>{escape(name)}</td><td class=n>{value}</td></tr>" for name, value in rows)
    return f"<h2>Expected, with 90 % interval</h2><table>{body}</table>"


def _steps(said: Recommendation) -> str:
    if not said.steps:
        return ""
    heads = "<th>operation<th>work unit<th>program, tool, parameters"
    heads += "".join(f"<th class=n>{name}" for name in ("minutes", "yield, %", "saves", "measured"))
    rows = "".join(f"<tr>{_step(step)}</tr>" for step in said.steps)
    return f"<h2>Route</h2><table><tr>{heads}</tr>{rows}</table>"


def _step(step: StepReason) -> str:
    if step.duration_min is None or step.first_pass is None:
        other = "" if step.instead_of is None else f" ({escape(step.instead_of.alternative)})"
        return f"<td>{escape(step.operation)}<td colspan=4>no longer needed{other}<td class=n>{step.difference:+.2f}<td>"
    how = [step.program or "", step.tool or "", *(f"{name} {value:g}" for name, value in step.parameters.items())]
    saves = f"{step.difference:+.2f}" if step.difference else ""
    instead = ""
    if step.instead_of is not None and step.instead_of.alternative != step.alternative:
        instead = f"<div class=small>instead of {escape(step.instead_of.alternative)}</div>"
    return (
        f"<td>{escape(step.operation)}{instead}<td>{escape(step.work_unit or '')}<td>{escape(', '.join(filter(None, how)))}"
        f"<td class=n>{step.duration_min.mean:.1f}<div class=small>{step.duration_min.low:.1f} to {step.duration_min.high:.1f}</div>"
        f"<td class=n>{100 * step.first_pass.mean:.1f}<td class=n>{saves}<td class=n>{step.count:,}"
    )


def _pareto(said: Recommendation) -> str:
    if len(said.pareto) < 2:
        return ""
    heads = "<th>other good routes<th class=n>cost<th class=n>minutes<th class=n>yield, %<th class=n>kWh"
    rows = "".join(
        f"<tr><td>{escape(point.label.replace('_', ' '))}<div class=small>{escape(', '.join(point.route))}</div>"
        f"<td class=n>{point.cost:.1f}<td class=n>{point.duration_min:.1f}<td class=n>{100 * point.first_pass:.1f}"
        f"<td class=n>{'' if point.energy_kwh is None else f'{point.energy_kwh:.1f}'}</tr>"
        for point in said.pareto
    )
    return f"<h2>Trade-offs</h2><table><tr>{heads}</tr>{rows}</table>"


def _today(said: Recommendation) -> str:
    today = said.today
    if today is None:
        return ""
    lines = [f"Route today: {', '.join(today.route)}; {today.predicted.duration_min.mean:.1f} min, {today.waiting_min:.1f} of them waiting"]
    return _list("Today", lines + [f"{unit} is avoided: {why}" for unit, why in today.avoided.items()])


def _list(title: str, lines: list[str]) -> str:
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _of(one: Estimate, times: float = 1.0) -> str:
    return f"{times * one.mean:,.1f} <span class=small>({times * one.low:,.1f} to {times * one.high:,.1f})</span>"
