"""The little Markdown of the report's tables as HTML: headings, tables, paragraphs, bold. All else is text, and inert."""

from __future__ import annotations

import re
from html import escape


def to_html(text: str) -> str:
    """Blocks between empty lines: ``## heading``, a pipe table, or a paragraph; a list of gaps keeps its lines."""
    return "\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip()) if block)


def _block(block: str) -> str:
    if heading := re.fullmatch(r"#+ (.*)", block):
        return f"<h3>{_inline(heading[1])}</h3>"
    lines = block.splitlines()
    if len(lines) > 1 and all(line.startswith("|") for line in lines) and not lines[1].strip("|-: "):
        head, rows = lines[0], lines[2:]
        columns = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in _cells(head))
        body = "\n".join(_row(_cells(line)) for line in rows)
        table = f"<table><thead><tr>{columns}</tr></thead>\n<tbody>{body}</tbody></table>"
        return f'<div class="scroll" role="region" aria-label="Table" tabindex="0">{table}</div>'
    return "<p>" + ("<br>\n" if block.startswith("gap:") else "\n").join(_inline(line) for line in lines) + "</p>"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _row(cells: list[str]) -> str:
    head = f'<th scope="row">{_inline(cells[0])}</th>'
    if len(cells) > 2 and not any(cells[2:]):
        return f'<tr class="gap">{head}<td colspan="{len(cells) - 1}">{_inline(cells[1])}</td></tr>'
    return f"<tr>{head}" + "".join(f"<td>{_inline(cell)}</td>" for cell in cells[1:]) + "</tr>"


def _inline(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
