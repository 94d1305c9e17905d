import asyncio

from headgate.store.window import Window


async def test_everybody_writes_at_the_end_of_a_window() -> None:
    """However often it was opened, all who joined are called once, in their order, and not before its end."""
    window, called = Window(), list[str]()
    over = asyncio.Event()
    window.join(lambda: called.append("first"))
    window.join(lambda: called.append("second"))
    window.join(over.set)
    for _ in range(3):
        window.open()
    assert called == []
    async with asyncio.timeout(10):
        await over.wait()
    assert called == ["first", "second"]


async def test_window_that_opens_again() -> None:
    """Who has something more after the end opens the next."""
    window, called = Window(), list[int]()
    over = asyncio.Event()

    def write() -> None:
        called.append(len(called))
        if len(called) < 3:
            window.open()
        else:
            over.set()

    window.join(write)
    window.open()
    async with asyncio.timeout(10):
        await over.wait()
    assert called == [0, 1, 2]


async def test_window_that_is_closed() -> None:
    """Closing ends an open window at once, and does nothing where none is open."""
    window, called = Window(), list[str]()
    window.join(lambda: called.append("written"))
    window.close()
    assert called == []
    window.open()
    window.close()
    assert called == ["written"]
    window.close()
    assert called == ["written"]
