"""``[[states]]`` and ``[[reasons]]`` of the settings as models of equipment, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from plant import patterns
from plant.equipment import EquipmentId
from plant.settings_states import ConditionSettings, CounterSettings, OtherwiseSettings, ReasonSettings, RuleSettings, StateSettings
from plant.signals import Signal, SignalPath
from plant.states import Condition, Counter, EquipmentState, Reason, ReasonTree, StateModel, StatePlan, StateRule, Test

_SECOND_US = 1_000_000


def assemble_states(
    root: EquipmentId,
    equipment: Mapping[EquipmentId, object],
    signals: Sequence[Signal],
    states: Iterable[tuple[str, StateSettings]],
    reasons: Iterable[tuple[str, ReasonSettings]],
    problems: list[str],
) -> StatePlan:
    """Return the models of a site; adds to ``problems`` what is wrong: signals and reasons that are not there, tests that cannot hold."""
    tree = _tree(reasons, problems)
    known = {signal.path: signal for signal in signals}
    below = {path.removeprefix(root + "/"): path for path in equipment if path.startswith(root + "/")}
    models: dict[EquipmentId, StateModel] = {}
    for place, settings in states:
        fitting = [path for short, path in below.items() if patterns.matches(settings.equipment, short)]
        if not fitting:
            there = next(iter(below), "none")
            problems.append(f"{place}.equipment: no equipment fits '{settings.equipment}'; there is e.g. '{there}'")
        before = len(problems)
        for path in fitting:
            models[path] = _Unit(path, tree, known, _complain(place, problems)).model(settings)
            if len(problems) > before:
                break  # the same is wrong for all that fit
    return StatePlan(tuple(models.values()), tree)


def _complain(place: str, problems: list[str]) -> Callable[[str, str], None]:
    def say(key: str, words: str) -> None:
        problems.append(f"{place}.{key}: {words}")

    return say


def _tree(reasons: Iterable[tuple[str, ReasonSettings]], problems: list[str]) -> ReasonTree:
    found: dict[str, Reason] = {}
    for place, settings in reasons:
        if settings.path in found:
            problems.append(f"{place}.path: there is a reason '{settings.path}' already")
        found[settings.path] = Reason(settings.path, settings.names, settings.loss)
    for path in list(found):
        above = path.rpartition("/")[0]
        while above and above not in found:
            found[above] = Reason(above)
            above = above.rpartition("/")[0]
    return ReasonTree(tuple(found[path] for path in sorted(found)))


@dataclass(frozen=True, slots=True)
class _Unit:
    """One equipment whose entry is read: what it has, and where to say what is wrong."""

    path: EquipmentId
    tree: ReasonTree
    known: Mapping[SignalPath, Signal]
    say: Callable[[str, str], None]

    def signal(self, key: str, name: str) -> SignalPath:
        found = SignalPath(f"{self.path}/{name}")
        if found not in self.known:
            there = sorted(p.rpartition("/")[2] for p in self.known if p.rpartition("/")[0] == self.path)
            self.say(key, f"'{self.path}' has no signal '{name}'; it has: {', '.join(there) or 'none'}")
        return found

    def named(self, key: str, name: str | None) -> SignalPath | None:
        return None if name is None else self.signal(key, name)

    def reason(self, key: str, name: str) -> str:
        if name and not self.tree.knows(name):
            self.say(key, f"there is no reason '{name}'; name it in 'reasons'")
        return name

    def condition(self, key: str, one: ConditionSettings) -> Condition:
        where = self.signal(f"{key}.signal", one.signal)
        if where in self.known and self.known[where].data_type.is_text != (one.texts is not None):
            right = "numbers: 'equals', 'above', 'below' or 'rises_within_seconds'" if one.texts is not None else "'texts'"
            self.say(key, f"signal '{one.signal}' is {self.known[where].data_type}: look at it by {right}")
        return _condition(where, one)

    def rule(self, key: str, one: RuleSettings) -> StateRule:
        also = (self.condition(f"{key}.also[{n}]", each) for n, each in enumerate(one.also, 1))
        return StateRule(
            (self.condition(key, one), *also),
            EquipmentState(one.state),
            one.mode,
            self.reason(f"{key}.reason", one.reason),
            self.named(f"{key}.reason_signal", one.reason_signal),
            {word: self.reason(f"{key}.reason_of", name) for word, name in one.reason_of.items()},
            one.may_be_missing,
        )

    def otherwise(self, one: OtherwiseSettings | None) -> StateRule | None:
        return None if one is None else StateRule((), EquipmentState(one.state), one.mode, self.reason("otherwise.reason", one.reason))

    def counters(self, key: str, many: Sequence[CounterSettings]) -> tuple[Counter, ...]:
        found = []
        for n, one in enumerate(many, 1):
            where = self.signal(f"{key}[{n}].signal", one.signal)
            if where in self.known and self.known[where].data_type.is_text:
                self.say(f"{key}[{n}].signal", f"'{one.signal}' is text, which counts nothing")
            found.append(Counter(where, one.rollover, one.most, one.worth))
        return tuple(found)

    def model(self, settings: StateSettings) -> StateModel:
        return StateModel(
            self.path,
            tuple(self.rule(f"rules[{n}]", one) for n, one in enumerate(settings.rules, 1)),
            self.otherwise(settings.otherwise),
            round(settings.hold_seconds * _SECOND_US),
            None if settings.silent_seconds is None else round(settings.silent_seconds * _SECOND_US),
            round(settings.micro_stop_seconds * _SECOND_US),
            settings.micro_stops,
            self.counters("good", settings.good),
            self.counters("scrap", settings.scrap),
            self.counters("rework", settings.rework),
            self.counters("produced", settings.produced),
            settings.count_tightenings,
            self.named("product", settings.product),
            self.named("order", settings.order),
            self.named("part", settings.part),
            tuple((one.product, round(one.seconds * _SECOND_US)) for one in settings.planned_run_time),
        )


def _condition(signal: SignalPath, one: ConditionSettings) -> Condition:
    if one.texts is not None:
        return Condition(signal, Test.TEXTS, texts=one.texts)
    if one.equals is not None:
        return Condition(signal, Test.EQUALS, numbers=one.equals)
    if one.above is not None:
        return Condition(signal, Test.ABOVE, limit=one.above)
    if one.below is not None:
        return Condition(signal, Test.BELOW, limit=one.below)
    return Condition(signal, Test.RISES, window_us=round((one.rises_within_seconds or 0) * _SECOND_US))
