"""Tightenings judged by torque and angle: from files, from simulated joints, from real controllers."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leadhand.__main__ import app
from plant.errors import Rejected
from plant.inspections import Decision, reason_words
from plant.joint_curves import JointCurve, program_print
from plant.joints import Risk
from simulators.controller_files import controller_file
from simulators.tightening_faults import FAULTS, Wrong, batch, tighten_joint, tools
from vision.controller_files import controller_curve, read_controller_file
from vision.envelope import Reference, learn, reference_of, reference_record
from vision.joint_verdict import judge_curve
from vision.references import shipped_reference

_SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA", "../shared/data")) / "vision" / "torque_angle" / "curves"


def _made(number: int, wrong: Wrong = Wrong.NOTHING) -> JointCurve:
    return tighten_joint(tools(number // 50)[number % 4], batch(number // 40), 77_000 + number, wrong).curve


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learn([_made(number) for number in range(200)])


@pytest.mark.parametrize("wrong", FAULTS)
def test_no_faulty_joint_is_released(reference: Reference, wrong: Wrong) -> None:
    for number in range(1000, 1006):
        verdict = judge_curve(_made(number, wrong), reference)
        assert verdict.decision is not Decision.OK
        assert verdict.reasons
        assert all("{" not in reason_words(reason) for reason in verdict.reasons)


def test_good_joints_are_ok_and_hardly_any_is_stopped(reference: Reference) -> None:
    told = [judge_curve(_made(number), reference).decision for number in range(2000, 2120)]
    assert told.count(Decision.NOK) <= 2
    assert told.count(Decision.OK) >= 108


def test_a_program_that_nobody_knows_goes_to_a_person() -> None:
    verdict = judge_curve(_made(1), None)
    assert verdict.decision is Decision.REVIEW
    assert [reason.code for reason in verdict.reasons] == ["no_reference"]


def test_what_a_curve_is_suspected_of_is_said_in_words(reference: Reference) -> None:
    words = [reason_words(reason) for reason in judge_curve(_made(1001, Wrong.PREVAILING_HIGH), reference).reasons]
    assert any("prevailing torque" in sentence for sentence in words)
    assert any("N.m; good runs of this program have" in sentence for sentence in words)


def test_a_reference_that_was_kept_judges_as_the_one_that_was_learned(reference: Reference) -> None:
    kept = reference_of(json.loads(json.dumps(reference_record(reference))))
    for wrong in (Wrong.NOTHING, Wrong.SOFT_JOINT):
        curve = _made(1003, wrong)
        assert judge_curve(curve, kept).decision is judge_curve(curve, reference).decision


def test_a_file_says_what_the_curve_said() -> None:
    curve = _made(5)
    read = controller_curve(controller_file(curve).encode())
    assert len(read.torque_nm) == len(curve.torque_nm)
    assert read.target_nm == curve.target_nm
    assert [window.low for window in read.steps[1].windows] == [window.low for window in sorted(curve.steps[1].windows, key=_quantity)]


def _quantity(window: object) -> str:
    return str(getattr(window, "quantity", ""))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "no JSON"),
        (lambda text: text.replace('"torque unit": "Nm"', '"torque unit": "bananas"'), "torque unit"),
        (lambda text: text.replace('"nom": 950.0', '"nom": NaN'), "no number"),
        (lambda text: text.replace('"format": "channel"', '"format": "channel", "format": "channel"'), "twice"),
        (lambda text: text.replace('"result": "OK"', '"result": "ok"'), "neither OK nor NOK"),
        (lambda text: text.replace('"torque values": [', '"torque values": [1.0, '), "different numbers of samples"),
        (lambda text: text.replace('"torque values": [', '"torque values": ["1", '), "numbers"),
        (lambda _: "[" * 100_000, "JSON"),
        (lambda _: "", "JSON"),
    ],
)
def test_a_file_that_is_damaged_is_refused_with_what_is_wrong(damage: object, words: str) -> None:
    assert callable(damage)
    with pytest.raises(Rejected, match=words):
        controller_curve(damage(controller_file(_made(6))).encode())


def test_a_curve_that_contradicts_what_its_controller_says_is_no_evidence() -> None:
    file = json.loads(controller_file(_made(7)))
    file["tightening steps"][1]["graph"]["torque values"][300] *= 3
    verdict = judge_curve(controller_curve(json.dumps(file).encode()), None)
    assert verdict.decision in {Decision.NOK, Decision.NOT_DECIDABLE}


def test_a_class_a_joint_needs_torque_and_angle_watched(reference: Reference) -> None:
    file = json.loads(controller_file(_made(8)))
    functions = file["tightening steps"][1]["tightening functions"]
    file["tightening steps"][1]["tightening functions"] = [one for one in functions if "Angle" not in one["name"]]
    codes = {
        risk: [reason.code for reason in judge_curve(controller_curve(json.dumps(file).encode()), reference, risk).reasons] for risk in Risk
    }
    assert "not_monitored" in codes[Risk.A]
    assert "not_monitored" not in codes[Risk.C]


def test_the_command_says_verdict_and_reasons(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    for number in range(40):
        (good / f"{number}.json").write_text(controller_file(_made(number)))
    (good / "no-curve.json").write_text("{}")
    bad, broken = tmp_path / "bad.json", tmp_path / "broken.json"
    bad.write_text(controller_file(_made(900, Wrong.WRONG_GRADE)))
    broken.write_text("{")
    run = CliRunner()
    told = run.invoke(app, ["joint", str(good / "3.json"), "--reference", str(good), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["decision"] == "ok"
    told = run.invoke(app, ["joint", str(bad), "--reference", str(good), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.output)["decision"] == "nok"
    assert json.loads(told.output)["reasons"]
    told = run.invoke(app, ["joint", str(broken), "--reference", str(good), "--json"])
    assert told.exit_code == 2
    assert "no JSON" in json.loads(told.output)["error"]
    assert json.loads(told.output)["decision"] != "ok"


def _real() -> list[Path]:
    found = sorted(_SHARED.rglob("*.json"))
    if not found and not os.environ.get("CI"):
        pytest.skip(f"no real curves in {_SHARED}")
    assert found, f"CI must have the real curves in {_SHARED}"
    return found


def test_real_good_curves_are_ok_by_the_others_of_their_program_and_by_what_is_shipped() -> None:
    curves = [read_controller_file(path) for path in _real()]
    for number, curve in enumerate(curves):
        others = [one for other, one in enumerate(curves) if other != number and program_print(one) == program_print(curve)]
        verdict = judge_curve(curve, learn(others))
        assert verdict.decision is Decision.OK, (curve.taken, verdict.reasons)
        assert [reason.code for reason in verdict.reasons] == ["thin_reference"]
        assert judge_curve(curve, shipped_reference(program_print(curve))).decision is Decision.OK


def test_a_real_curve_with_too_much_torque_somewhere_is_not_ok() -> None:
    path = _real()[0]
    file = json.loads(path.read_bytes())
    torque = file["tightening steps"][1]["graph"]["torque values"]
    torque[150:160] = [value + 0.6 for value in torque[150:160]]
    curve = controller_curve(json.dumps(file).encode())
    assert judge_curve(curve, shipped_reference(program_print(curve))).decision is not Decision.OK
