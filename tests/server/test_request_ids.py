"""Ids of requests, as every door and gate of a process draws them."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headgate.server.request_ids import FORM, IDS_AT_ONCE, new_id

SIXTEENTHS = 16


def test_ids_begin_with_their_time() -> None:
    """An id begins with the time at which it and its neighbours were drawn, so that the rows of a time lie together."""
    begun = int(time.time() * SIXTEENTHS)
    drawn = [new_id() for _ in range(3 * IDS_AT_ONCE)][IDS_AT_ONCE:]  # those before may be from before
    times = [int(name.removeprefix("req_")[:9], 16) for name in drawn]
    assert times == sorted(times)
    assert begun <= times[0] <= times[-1] <= int(time.time() * SIXTEENTHS)


def test_ids_differ_by_chance() -> None:
    """No two are alike, and sixty bits behind the time are chance: whoever knows the moment cannot guess the id."""
    drawn = [new_id() for _ in range(4_096)]
    assert len(set(drawn)) == len(drawn)
    tails = [int(name.removeprefix("req_")[9:], 16) for name in drawn]
    assert {len(name) for name in drawn} == {len("req_") + 24}
    for bit in range(60):
        ones = sum(tail >> bit & 1 for tail in tails)
        assert 1_600 < ones < 2_500, bit


def test_ids_are_drawn_in_many_threads() -> None:
    """Gates of several threads draw at once: each id is given to one of them."""

    def draw() -> list[str]:
        return [new_id() for _ in range(50_000)]

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads take turns within a draw
    try:
        with ThreadPoolExecutor(4) as threads:
            drawn = [name for each in [threads.submit(draw) for _ in range(4)] for name in each.result()]
    finally:
        sys.setswitchinterval(before)
    assert len(set(drawn)) == len(drawn) == 200_000
    assert all(FORM.fullmatch(name) for name in drawn[::1_000])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes fork here")
def test_forked_processes_share_no_ids() -> None:
    """What was drawn before a fork is for one of both."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, new_id().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        theirs = told.read()
    os.waitpid(child, 0)
    assert FORM.fullmatch(theirs)
    assert theirs not in {new_id() for _ in range(2 * IDS_AT_ONCE)}
