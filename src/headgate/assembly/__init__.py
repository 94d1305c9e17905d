"""Settings to a running gate: the only place where the parts of the house are put together."""

from headgate.assembly.gate import catalog_of, limits_now, make_gate
from headgate.assembly.gateway import make_gateway
from headgate.assembly.keeping import prints_of
from headgate.assembly.skills import supplies_of

__all__ = ["catalog_of", "limits_now", "make_gate", "make_gateway", "prints_of", "supplies_of"]
