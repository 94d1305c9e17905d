import time

from headgate.server.app import IDS_AT_ONCE, new_id

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
