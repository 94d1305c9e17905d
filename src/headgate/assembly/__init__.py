"""Settings to a running gate: the only place where the parts of the house are put together.

Each part is loaded when it is asked for: a command that only reads settings loads no gateway.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from headgate.assembly.gate import catalog_of, limits_now, make_gate
    from headgate.assembly.gateway import make_gateway
    from headgate.assembly.keeping import prints_of
    from headgate.assembly.skills import supplies_of

__all__ = ["catalog_of", "limits_now", "make_gate", "make_gateway", "prints_of", "supplies_of"]

_OWNERS: Final = {
    "catalog_of": "gate",
    "limits_now": "gate",
    "make_gate": "gate",
    "make_gateway": "gateway",
    "prints_of": "keeping",
    "supplies_of": "skills",
}


def __getattr__(name: str) -> Any:
    owner = _OWNERS.get(name)
    if owner is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{owner}"), name)
