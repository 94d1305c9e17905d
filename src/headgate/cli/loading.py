"""Owns the step from a command's flags to settings: what cannot be used becomes exit code 78."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.cli.terminal import BAD_CONFIGURATION, Failed

if TYPE_CHECKING:
    from headgate.runtime.settings import Settings


def load(config: Path | None, flags: Mapping[str, object] | None = None) -> "Settings":
    """The settings under the environment and these flags. Raises Failed."""
    from headgate.runtime.settings import InvalidSettings, load_settings

    try:
        return load_settings(config, os.environ, flags=flags)
    except InvalidSettings as error:
        raise Failed(str(error), BAD_CONFIGURATION) from None
