"""Two plans side by side: what moved, to where, by how much."""

from __future__ import annotations

from dashboard.plan_book import ReadPlan
from dashboard.plan_drawing import starts_by_name
from dashboard.views_plan import CompareView, MeasuresView, MovedView


def compared(before: ReadPlan, after: ReadPlan, worth_before: MeasuresView, worth_after: MeasuresView, most: int) -> CompareView:
    """Return what differs between two plans, by job and operation: their rows may differ."""
    one = starts_by_name(before.problem, before.plan, before.version.made_us)
    other = starts_by_name(after.problem, after.plan, after.version.made_us)
    rows: list[MovedView] = []
    same = moved = elsewhere = 0
    for name in dict.fromkeys((*one, *other)):
        was, now = one.get(name), other.get(name)
        if was is not None and was == now:
            same += 1
            continue
        if was is not None and now is not None:
            moved += 1
            elsewhere += was[0] != now[0]
        rows.append(
            MovedView(
                job=name[0],
                operation=name[1],
                unit_before=None if was is None else was[0],
                unit_after=None if now is None else now[0],
                start_before_us=None if was is None else was[1],
                start_after_us=None if now is None else now[1],
                moved_us=None if was is None or now is None else now[1] - was[1],
            )
        )
    rows.sort(key=lambda row: (row.moved_us is not None, -abs(row.moved_us or 0), row.job, row.operation))
    return CompareView(
        before=before.version.id,
        after=after.version.id,
        measures_before=worth_before,
        measures_after=worth_after,
        same=same,
        moved=moved,
        other_unit=elsewhere,
        added=len(other.keys() - one.keys()),
        gone=len(one.keys() - other.keys()),
        rows=tuple(rows[:most]),
    )
