"""What a notice says: for programs as JSON, for people as a subject and a text in their language."""

# ruff: noqa: RUF001 - Chinese has its own punctuation

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from plant.alarms import Priority
from plant.notices import NoticeKind
from plant.report_document import report_document
from plant.report_words import ReportWords, plain_text, title_of
from storage.alarms import Standing

_MOST_LISTED = 200
_ZH = {
    "raised": "新报警",
    "escalated": "报警无人确认（升级）",
    "repeated": "报警仍无人确认",
    "ended": "报警结束",
    "digest": "报警汇总",
    "report": "班次报告",
    "test": "测试通知",
    "urgent": "紧急",
    "high": "高",
    "medium": "中",
    "low": "低",
    "unacknowledged": "未确认",
    "acknowledged": "已确认",
    "returned": "已恢复，未确认",
    "latched_unacknowledged": "已锁存，未确认",
    "latched_acknowledged": "已锁存，已确认",
    "shelved": "已搁置",
    "suppressed": "设计抑制",
    "out_of_service": "停用",
    "normal": "正常",
    "{n} alarms": "{n} 条报警",
    "Equipment": "设备",
    "Alarm": "报警",
    "Priority": "优先级",
    "State": "状态",
    "Value": "数值",
    "limit {limit}": "限值 {limit}",
    "Since": "自",
    "What to do": "处理",
    "By": "操作人",
    "and {n} more": "另有 {n} 条",
    "Nothing happened: somebody tries whether notices arrive.": "未发生任何事件：有人在测试通知能否送达。",
    "Rule {rule}. Notice {id}.": "规则 {rule}。通知 {id}。",
}
_EN = {
    "raised": "new alarm",
    "escalated": "alarm that nobody acknowledges (escalated)",
    "repeated": "alarm still not acknowledged",
    "ended": "alarm is over",
    "digest": "alarms in a flood",
    "report": "shift report",
    "test": "test notice",
    "latched_unacknowledged": "latched, unacknowledged",
    "latched_acknowledged": "latched, acknowledged",
    "returned": "returned, unacknowledged",
    "out_of_service": "out of service",
}


def alarm_content(standing: Standing, began_us: int | None) -> dict[str, Any]:
    """Return one alarm as notices tell of it."""
    definition = standing.definition
    since = began_us if began_us is not None else standing.since_us
    return {
        "alarm": definition.id,
        "signal": definition.signal,
        "equipment": str(definition.equipment),
        "kind": definition.kind.value,
        "priority": definition.priority.name.lower(),
        "state": standing.state.value,
        "active": standing.life.active,
        "value": standing.value,
        "text": standing.text,
        "unit": standing.unit,
        "limit": standing.limit,
        "message": definition.message,
        "response": definition.response,
        "since": _iso(since),
        "since_us": since,
        "who": standing.who,
        "reason": standing.reason,
    }


def content(kind: NoticeKind, site: str, rule: str, step: int, alarms: Sequence[dict[str, Any]], time_us: int) -> dict[str, Any]:
    """Return a notice as it is posted, without its id; of very many alarms the first ones and how many there are."""
    return {
        "kind": kind.value,
        "site": site,
        "rule": rule,
        "step": step,
        "time": _iso(time_us),
        "time_us": time_us,
        "count": len(alarms),
        "alarms": list(alarms[:_MOST_LISTED]),
    }


def subject(said: dict[str, Any], language: str) -> str:
    """Return the subject of an e-mail: the most urgent word first."""
    if said["kind"] == NoticeKind.REPORT.value:
        return f"[Leadhand] {title_of(said['report'], ReportWords(language, said['report']['time_zone']))}"
    alarms = said["alarms"]
    kind = _word(said["kind"], language)
    if not alarms:
        return f"[Leadhand] {kind} · {said['site']}"
    if len(alarms) > 1:
        return f"[Leadhand] {kind}: {_word('{n} alarms', language).format(n=said['count'])} · {said['site']}"
    one = alarms[0]
    return f"[Leadhand] {_word(one['priority'], language).upper()} · {kind}: {one['message'] or one['alarm']} · {_place(one)}"


def text(said: dict[str, Any], notice: str, language: str, zone: str) -> str:
    """Return an e-mail's text, times in plant time."""
    if said["kind"] == NoticeKind.REPORT.value:
        return plain_text(said["report"], language)
    lines = [f"{said['site']} · {_word(said['kind'], language)}", ""]
    if said["kind"] == NoticeKind.TEST.value:
        lines += [_word("Nothing happened: somebody tries whether notices arrive.", language), ""]
    for one in said["alarms"]:
        lines += [*_about(one, language, zone), ""]
    if said["count"] > len(said["alarms"]):
        lines += [_word("and {n} more", language).format(n=said["count"] - len(said["alarms"])), ""]
    lines.append(_word("Rule {rule}. Notice {id}.", language).format(rule=said["rule"] or "-", id=notice))
    return "\n".join(lines) + "\n"


def document(said: dict[str, Any], language: str) -> str:
    """Return the HTML that goes with a notice; empty where its text says all."""
    return report_document(said["report"], language) if said["kind"] == NoticeKind.REPORT.value else ""


def _about(one: dict[str, Any], language: str, zone: str) -> list[str]:
    def word(message: str) -> str:
        return _word(message, language)

    lines = [f"{one['message'] or one['alarm']}"]
    lines.append(f"  {word('Equipment')}: {_place(one)}")
    lines.append(f"  {word('Alarm')}: {one['alarm']}")
    lines.append(f"  {word('Priority')}: {word(one['priority'])}   {word('State')}: {word(one['state'])}")
    value = one["text"] if one["value"] is None else f"{one['value']:g} {one['unit']}".strip()
    if value:
        limit = "" if one["limit"] is None else f" ({word('limit {limit}').format(limit=format(one['limit'], 'g'))})"
        lines.append(f"  {word('Value')}: {value}{limit}")
    local = datetime.fromtimestamp(one["since_us"] / 1e6, UTC).astimezone(ZoneInfo(zone))
    lines.append(f"  {word('Since')}: {local:%Y-%m-%d %H:%M:%S}")
    if one["response"]:
        lines.append(f"  {word('What to do')}: {one['response']}")
    if one["who"]:
        lines.append(f"  {word('By')}: {one['who']} {one['reason']}".rstrip())
    return lines


def most_urgent(alarms: Sequence[dict[str, Any]]) -> Priority | None:
    """Return the most urgent priority among alarms as told."""
    return min((Priority[one["priority"].upper()] for one in alarms), default=None)


def _place(one: dict[str, Any]) -> str:
    return str(one["equipment"] or one["signal"] or one["alarm"])


def _word(message: str, language: str) -> str:
    return (_ZH if language == "zh" else _EN).get(message, message)


def _iso(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
