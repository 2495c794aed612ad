"""Follows samples part by part: what is usual of each step, what is not as usual, how tools wear, what energy a part takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.changes import ENDS_BELOW, Call
from monitor.condition_memory import MOST_STREAMS, Context, Memory, Tool, new_memory, pack, pieces_of, unpack
from monitor.condition_parts import Held, Measured, measure, told_of
from monitor.condition_reasons import reasons_of, severity_of
from monitor.remaining import Outlook, Remaining, learned_limit, remaining_of
from plant.clock import Clock
from plant.condition import Answer, ConditionPlan, OnToolChange, Severity
from plant.equipment import EquipmentId
from plant.signals import SourceId
from plant.site import Site
from storage import condition as stored
from storage.condition import BaselineRow, FindingRow, PartRow, StreamKey, ToolRow, WaitingAnswer
from storage.condition_state import read_pieces, read_state, write_pieces, write_state
from storage.database import Connection
from storage.feed import read_marks, read_numbers, read_samples
from storage.progress import write_progress
from storage.states import read_first_received

NAME: Final = "condition"
_PAUSE_SECONDS: Final = 3.0
_LAG_US: Final = 2_000_000
"""A part is measured from what was received until so long after its end; by then all of it must have been."""
_PIECE_US: Final = 1_800_000_000
"""At most so much is looked through for the next part in one step."""
_PARTS_A_STEP: Final = 20
_KEPT_US: Final = 2 * 365 * 86_400_000_000
_FORGET_EACH: Final = 500
_SEVERITIES: Final = tuple(Severity)


def make_condition(site: Site, clock: Clock) -> ConditionFollower | None:  # noqa: ARG001 - nothing here depends on a wall clock
    """Return what follows the condition of a site, None where nothing is watched."""
    return ConditionFollower(site) if site.condition else None


class ConditionFollower:
    """The condition of all equipment that is watched; each goes as far as all its sources have told."""

    def __init__(self, site: Site) -> None:
        self.name = NAME
        self.pause_seconds = _PAUSE_SECONDS
        source_of = {signal.path: signal.source for signal in site.signals}
        self._plans = tuple((plan, frozenset(source_of[path] for path in plan.all_signals())) for plan in site.condition)
        self._memories: dict[EquipmentId, Memory] = {}
        self._scanned: dict[EquipmentId, int] = {}
        """Up to where no new part was found: looked through again only from there. A matter of speed alone."""
        self._signals: dict[str, int] = {}
        self._equipment: dict[EquipmentId, int] = {}

    def step(self, connection: Connection) -> bool:
        """Measure and judge the parts that are certain, some of each equipment; return whether more waits."""
        marks = {source: mark.until_us for source, mark in read_marks(connection).items()}
        if any(plan.equipment not in self._equipment for plan, _ in self._plans) or not self._signals:
            self._equipment = stored.numbers_of_equipment(connection)
            self._signals = read_numbers(connection)[0]
        more = False
        for plan, sources in self._plans:
            missing = any(path not in self._signals for path in plan.all_signals()) or plan.equipment not in self._equipment
            if missing or any(source not in marks for source in sources):
                continue
            more |= self._follow(connection, plan, sources, min(marks[source] for source in sources) - _LAG_US)
        return more

    def _follow(self, connection: Connection, plan: ConditionPlan, sources: Iterable[SourceId], until_us: int) -> bool:
        number = self._equipment[plan.equipment]
        memory = self._memory(connection, plan, sources)
        if memory is None:
            return False
        answers = stored.waiting_answers(connection, number)
        begin_us = max(self._scanned.get(plan.equipment, 0), memory.done_us)
        to_us = min(until_us, begin_us + max(_PIECE_US, plan.longest_part_us))
        changes = self._changes(connection, plan, memory, begin_us, to_us) if to_us > begin_us else []
        self._scanned[plan.equipment] = max(begin_us, to_us)
        standing = not changes and to_us - memory.done_us > plan.longest_part_us
        if not answers and not changes and not standing:
            return to_us < until_us
        changes, left = changes[:_PARTS_A_STEP], len(changes) > _PARTS_A_STEP
        try:
            with connection.transaction():
                for answer in answers:
                    self._heed(connection, plan, memory, answer)
                for held in changes:
                    self._pass(connection, plan, memory, held)
                if standing:
                    self._stand(connection, plan, memory, to_us)
                write_state(connection, number, memory.done_us, pack(memory), plan.least_parts)
                write_pieces(connection, number, pieces_of(memory), list(memory.kept))
                done = [one.done_us for one in self._memories.values()]
                write_progress(connection, NAME, min(done), b"")
        except BaseException:
            # what is remembered here may be ahead of what is stored
            self._memories.clear()
            self._scanned.clear()
            raise
        if left:
            self._scanned[plan.equipment] = memory.done_us
        return left or to_us < until_us

    def _memory(self, connection: Connection, plan: ConditionPlan, sources: Iterable[SourceId]) -> Memory | None:
        known = self._memories.get(plan.equipment)
        if known is not None:
            return known
        row = read_state(connection, self._equipment[plan.equipment])
        if row is not None:
            memory = unpack(plan, *row, read_pieces(connection, self._equipment[plan.equipment]))
        else:
            first = read_first_received(connection, tuple(sources))
            if first is None:
                return None
            memory = new_memory(plan, first)
        self._memories[plan.equipment] = memory
        return memory

    def _changes(self, connection: Connection, plan: ConditionPlan, memory: Memory, from_us: int, to_us: int) -> list[Held]:
        """Return when the signal of the parts took another value, and which."""
        columns = read_samples(
            connection, [self._signals[plan.parts]], (from_us, to_us - 1), (-(2**55), to_us + _LAG_US), texts=True, by_time=True
        )
        before = memory.before.get(plan.parts)
        if before is not None and from_us > memory.done_us:
            before = replace(before, time_us=from_us)
        told = told_of(columns, [plan.parts], {} if before is None else {plan.parts: before})[plan.parts]
        new = [(time, label) for time, label in told.changes if time >= from_us and not (before and label == before.label)]
        # the value that is met first is no change
        if before is None and new and memory.done_us == from_us:
            memory.before[plan.parts] = Held(new[0][0], math.nan, new[0][1])
            new = new[1:]
        return [Held(time, math.nan, label) for time, label in new if time > memory.done_us]

    def _pass(self, connection: Connection, plan: ConditionPlan, memory: Memory, held: Held) -> None:
        """Take in the part that ended when the next one began."""
        signals = plan.all_signals()
        begin_us, end_us = memory.done_us, held.time_us
        # after a long standstill only what each signal held last is wanted
        reach_us = begin_us if end_us - begin_us <= plan.longest_part_us else end_us - plan.longest_part_us
        columns = read_samples(
            connection,
            [self._signals[path] for path in signals],
            (reach_us, end_us - 1),
            (-(2**55), end_us + _LAG_US),
            texts=True,
            by_time=True,
        )
        told = told_of(columns, signals, memory.before)
        part = memory.before[plan.parts].label if plan.parts in memory.before else ""
        if memory.whole and part and end_us - begin_us <= plan.longest_part_us:
            self._judge(connection, plan, memory, measure(plan, told, begin_us, end_us, part))
        memory.before = {path: one.last for path, one in told.items() if one.last is not None}
        memory.before[plan.parts] = held
        memory.done_us, memory.whole = end_us, True

    def _stand(self, connection: Connection, plan: ConditionPlan, memory: Memory, to_us: int) -> None:
        """Go on over a standstill: the part in work when it began is not judged."""
        signals = plan.all_signals()
        columns = read_samples(
            connection,
            [self._signals[path] for path in signals],
            (memory.done_us, to_us - 1),
            (-(2**55), to_us + _LAG_US),
            texts=True,
            by_time=True,
        )
        told = told_of(columns, signals, memory.before)
        part = memory.before.get(plan.parts)
        memory.before = {path: one.last for path, one in told.items() if one.last is not None}
        if part is not None:
            memory.before[plan.parts] = part
        memory.done_us, memory.whole = to_us, False

    def _judge(self, connection: Connection, plan: ConditionPlan, memory: Memory, measured: Measured) -> None:
        number = self._equipment[plan.equipment]
        self._tool(connection, plan, memory, measured)
        for key in measured.numbers:
            if key not in memory.places and len(memory.streams) < MOST_STREAMS:
                _add_stream(plan, memory, key, stored.stream_number(connection, number, key))
        levels = np.full(len(memory.streams), math.nan)
        for key, level in measured.numbers.items():
            if key in memory.places:
                levels[memory.places[key]] = level
        known = np.isfinite(levels)
        judged = bool((memory.watch.learned[known] > 0).any())
        calls = memory.watch.take(levels)
        rows = self._found(memory, measured, known, calls)
        stored.put_findings(connection, number, rows)
        self._say_baselines(connection, memory, measured.end_us)
        places = np.flatnonzero(known).tolist()
        stored.add_part(
            connection,
            number,
            PartRow(
                *(measured.begin_us, measured.end_us, measured.part, measured.program, measured.energy_kwh, measured.idle_kwh, judged),
                *(tuple(memory.numbers[place] for place in places), tuple(float(levels[place]) for place in places)),
            ),
        )
        if memory.tool is not None and memory.tool.parts % _FORGET_EACH == 1:
            stored.forget_before(connection, [number], measured.end_us - _KEPT_US)

    def _found(
        self, memory: Memory, measured: Measured, known: np.ndarray[tuple[int], np.dtype[np.bool_]], calls: Sequence[Call]
    ) -> list[FindingRow]:
        """Return the findings that began, changed or ended with a part."""
        by_context: dict[Context, list[Call]] = {}
        for call in calls:
            key = memory.streams[call.number]
            by_context.setdefault((key.program, key.step, key.occurrence), []).append(call)
        rows = []
        for context, own in by_context.items():
            before = memory.findings.get(context)
            ratio = max(call.ratio for call in own)
            reasons = reasons_of(own, memory.streams)
            parts = max(call.parts for call in own) if before is None else before.parts + 1
            worst = max(_SEVERITIES.index(severity_of(ratio)), 0 if before is None else _SEVERITIES.index(before.severity))
            row = FindingRow(
                *context,
                begin_us=measured.end_us if before is None else before.begin_us,
                end_us=None,
                last_us=measured.end_us,
                severity=_SEVERITIES[worst],
                ratio=ratio if before is None else max(ratio, before.ratio),
                parts=parts,
                reasons=reasons,
            )
            memory.findings[context] = row
            rows.append(row)
        ratios = memory.watch.ratios()
        for context in [context for context in memory.findings if context not in by_context]:
            here = memory.members([context]) & known
            if here.any() and float(ratios[memory.members([context])].max()) < ENDS_BELOW:
                rows.append(replace(memory.findings.pop(context), end_us=measured.end_us))
        return rows

    def _say_baselines(self, connection: Connection, memory: Memory, time_us: int) -> None:
        learned = memory.watch.learned
        moved = [place for place in range(len(memory.streams)) if int(learned[place]) != memory.told[place]]
        rows = []
        for place in moved:
            middle, low, high = memory.watch.band(place) or (None, None, None)
            if middle is not None and not (math.isfinite(low or 0.0) and math.isfinite(high or 0.0)):
                continue  # its limits are set with the next part
            rows.append(BaselineRow(memory.numbers[place], time_us, middle, low, high, int(learned[place])))
            memory.told[place] = int(learned[place])
        stored.put_baselines(connection, rows)

    def _tool(self, connection: Connection, plan: ConditionPlan, memory: Memory, measured: Measured) -> None:
        """Take in a part as one of the tool that is in, or of the one that was just put in."""
        number = self._equipment[plan.equipment]
        new = memory.tool is None
        if measured.tool is not None and memory.life is not None and _is_new(memory.life, measured.tool):
            self._end_tool(connection, number, plan, memory, measured.begin_us, worn=False)
            if plan.on_tool_change is OnToolChange.NEW_BASELINE:
                self._forget(connection, number, memory, measured.begin_us)
            new = True
        if new:
            name = "" if measured.tool is None or measured.tool.text is None else measured.tool.text
            memory.tool = Tool(measured.begin_us, name)
        memory.life = measured.tool
        tool = memory.tool
        if tool is None:
            return
        tool.parts += 1
        if measured.wear is not None:
            tool.ages.append(float(tool.parts - 1))
            tool.levels.append(measured.wear)
        stored.put_tool(connection, number, _tool_row(tool, None, _expected(plan, memory)))

    def _end_tool(self, connection: Connection, number: int, plan: ConditionPlan, memory: Memory, at_us: int, *, worn: bool) -> None:
        tool = memory.tool
        if tool is None:
            return
        expected = _expected(plan, memory)
        if worn and not tool.called_worn and expected.rise_percent is not None:
            memory.worn_at.append(expected.rise_percent)
        tool.called_worn |= worn
        stored.put_tool(connection, number, _tool_row(tool, at_us, expected))
        memory.tool = None

    def _forget(self, connection: Connection, number: int, memory: Memory, at_us: int) -> None:
        """Learn all baselines anew and end what was found against the old ones."""
        memory.watch.forget(memory.members())
        stored.put_findings(connection, number, [replace(row, end_us=max(at_us, row.last_us)) for row in memory.findings.values()])
        memory.findings.clear()
        self._say_baselines(connection, memory, at_us)

    def _heed(self, connection: Connection, plan: ConditionPlan, memory: Memory, answer: WaitingAnswer) -> None:
        number = self._equipment[plan.equipment]
        context: Context | None = None
        if answer.program is not None and answer.step is not None and answer.occurrence is not None:
            context = (answer.program, answer.step, answer.occurrence)
        if answer.answer is Answer.CONFIRMED and memory.tool is not None:
            rise = _expected(plan, memory).rise_percent
            if rise is not None and not memory.tool.called_worn:
                memory.worn_at.append(rise)
            memory.tool.called_worn = True
            stored.put_tool(connection, number, _tool_row(memory.tool, None, _expected(plan, memory)))
        elif answer.answer is Answer.FALSE_CALL and context is not None:
            memory.watch.widen(memory.members([context]))
            before = memory.findings.pop(context, None)
            if before is not None:
                stored.put_findings(connection, number, [replace(before, end_us=max(memory.done_us, before.last_us))])
        elif answer.answer is Answer.TOOL_CHANGED:
            self._end_tool(connection, number, plan, memory, memory.done_us, worn=context is not None)
            memory.tool = Tool(memory.done_us)
            self._forget(connection, number, memory, memory.done_us)
        stored.heeded(connection, answer.id, memory.done_us)


def _add_stream(plan: ConditionPlan, memory: Memory, key: StreamKey, number: int) -> None:
    names = [path.rpartition("/")[2] for path in plan.signals]
    context = memory.contexts.setdefault((key.program, key.step, key.occurrence), len(memory.contexts))
    memory.places[key] = memory.watch.add(names.index(key.signal) if key.signal else len(names), context)
    memory.streams.append(key)
    memory.numbers.append(number)
    memory.told.append(0)


def _is_new(before: Held, now: Held) -> bool:
    if now.text is not None or before.text is not None:
        return bool(now.text) and now.text != before.text
    return math.isfinite(now.value) and math.isfinite(before.value) and now.value < before.value


def _expected(plan: ConditionPlan, memory: Memory) -> Remaining:
    tool = memory.tool
    if plan.wear is None or tool is None:
        return Remaining(Outlook.NO_EVIDENCE)
    limit = plan.wear.worn_percent
    return remaining_of(tool.ages, tool.levels, learned_limit(memory.worn_at) if limit is None else limit)


def _tool_row(tool: Tool, end_us: int | None, expected: Remaining) -> ToolRow:
    return ToolRow(
        *(tool.begin_us, end_us, tool.name, tool.parts, expected.outlook.value, expected.rise_percent, expected.limit_percent),
        *(expected.parts, expected.low, expected.high, tool.called_worn),
    )
