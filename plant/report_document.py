"""A report of a shift as one HTML file that needs nothing else: to be read, printed on A4 or kept."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from plant.report_words import ReportWords, Said, Section, sections_of, title_of

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 10.5pt/1.4 "Noto Sans", "Noto Sans CJK SC", "Noto Sans SC", "Microsoft YaHei", sans-serif; color: #1f2328;
  background: #fff; margin: 1.5rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 17pt; margin: 0 0 .4em; }
h2 { font-size: 12.5pt; margin: 1.3em 0 .35em; border-bottom: 1px solid #8c959f; break-after: avoid; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .15rem 1.5rem; margin: .4em 0; }
dl div { display: grid; grid-template-columns: 11em 1fr; } dt { color: #57606a; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .4em 0; } thead { display: table-header-group; }
th, td { text-align: left; vertical-align: top; padding: .18em .5em; border-bottom: 1px solid #d0d7de; overflow-wrap: anywhere; }
th { color: #57606a; font-weight: 600; } tr { break-inside: avoid; } .number { text-align: right; white-space: nowrap; }
.bar { display: block; height: 5px; background: #d0d7de; margin-top: 2px; } .bar i { display: block; height: 100%; background: #57606a; }
.note, .nothing { color: #57606a; } .state::before { margin-right: .35em; } .bad::before { content: "\\25A0"; color: #b42318; }
.warning::before { content: "\\25B2"; color: #9a6700; } .normal::before { content: "\\25CB"; color: #57606a; }
pre { margin: 0; white-space: pre-wrap; font: inherit; }
@page { size: A4; margin: 14mm 13mm; } @media print { body { margin: 0; max-width: none; padding: 0; } }
"""


def report_document(content: Mapping[str, Any], language: str) -> str:
    """Return the file. All texts stand in it as texts, whatever they look like."""
    say = ReportWords(language, content["time_zone"])
    title = escape(title_of(content, say))
    body = "\n".join(_section(section) for section in sections_of(content, language))
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if language == "zh" else "en"}">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style></head>\n'
        f"<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"] if section.title else []
    if section.facts:
        parts.append(
            "<dl>" + "".join(f"<div><dt>{escape(name)}</dt><dd>{_cell(said)}</dd></div>" for name, said in section.facts) + "</dl>"
        )
    if section.rows:
        heads = "".join(f'<th scope="col"{_number(number)}>{escape(name)}</th>' for name, number in section.heads)
        rows = "".join(
            "<tr>"
            + "".join(f"<td{_number(number)}>{_cell(said)}</td>" for said, (_, number) in zip(row, section.heads, strict=True))
            + "</tr>"
            for row in section.rows
        )
        parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
    elif section.nothing:
        parts.append(f'<p class="nothing">{escape(section.nothing)}</p>')
    if section.note:
        parts.append(f'<p class="note">{escape(section.note)}</p>')
    return f"<section>{''.join(parts)}</section>"


def _cell(said: Said) -> str:
    text = f"<pre>{escape(said.text)}</pre>" if "\n" in said.text else escape(said.text)
    shown = f'<span class="state {said.state}">{text}</span>' if said.state else text
    bar = "" if said.share is None else f'<span class="bar"><i style="width: {min(1.0, max(0.0, said.share)) * 100:.1f}%"></i></span>'
    return shown + bar


def _number(number: bool) -> str:
    return ' class="number"' if number else ""
