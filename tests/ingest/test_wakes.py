from __future__ import annotations

import asyncio
import ctypes
import time

import pytest

from ingest.wakes import Waker


async def early(seconds: float, times: int) -> list[float]:
    """How much too early each sleep ended."""
    waker = Waker()
    found = []
    for _ in range(times):
        due = time.monotonic() + seconds
        await waker.sleep(seconds)
        found.append(due - time.monotonic())
    await waker.sleep(0)
    await waker.sleep(-1)
    waker.close()
    waker.close()
    return found


@pytest.mark.parametrize("with_kernel_timer", [True, False])
def test_no_sleep_ends_too_early_and_none_is_forgotten(with_kernel_timer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_kernel_timer:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert max(asyncio.run(asyncio.wait_for(early(0.004, 20), 20))) <= 0.0005


def test_a_sleep_that_is_broken_off_wakes_nobody_later() -> None:
    async def break_off() -> float:
        waker = Waker()
        sleeping = asyncio.create_task(waker.sleep(0.02))
        await asyncio.sleep(0.005)
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)
        began = time.monotonic()
        await waker.sleep(0.05)
        waker.close()
        return time.monotonic() - began

    assert asyncio.run(break_off()) >= 0.0495
