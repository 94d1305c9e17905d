"""Where the store lies when nobody says."""

from pathlib import Path
from typing import Final

FILE: Final = "headgate.sqlite3"
PRETEND_FOLDER: Final = "simulator"
"""What the built-in simulator answered is kept apart from what was paid for."""


def usual_path(*, simulated: bool) -> Path:
    """The database in the user's folder for data."""
    import platformdirs  # only who keeps something there needs it

    folder = platformdirs.user_data_path("headgate")
    return folder / PRETEND_FOLDER / FILE if simulated else folder / FILE
