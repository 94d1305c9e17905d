"""Owns a caller of this process as the doors see one: whose request it is, its id, and what is wrong with it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec

from headgate.domain.answer import Refusal
from headgate.protocol.client_json import InvalidBody
from headgate.sdk.problems import InvalidRequest, UpstreamRefused, refused
from headgate.server.auth import LOCAL_TENANT, Identity
from headgate.server.controls import Controls, InvalidControl, read_controls
from headgate.server.gateway import Gateway
from headgate.server.request_ids import new_id

CALLER: Final = Identity(tenant=LOCAL_TENANT, admin=True)
"""Who has the gate in their own process may do everything with it."""

T = TypeVar("T")


class Asking(msgspec.Struct, frozen=True):
    """One request of this process: an `Asker` (server/fetching.py) without a visit."""

    gateway: Gateway
    name: str = msgspec.field(default_factory=new_id)
    identity: Identity = CALLER

    @contextmanager
    def understood(self) -> Iterator[None]:
        """What cannot be understood within is raised as InvalidRequest."""
        try:
            yield
        except InvalidBody as problem:
            raise InvalidRequest(problem.message, problem.param, self.name) from None
        except InvalidControl as problem:
            raise InvalidRequest(problem.message, problem.name, self.name) from None

    def controls(self, given: Mapping[str, object]) -> Controls:
        """The controls of a body. Raises InvalidControl."""
        return read_controls((), given, self.identity)

    def allowed(self, found: T | Refusal) -> T:
        """What is no refusal. Raises a HeadgateError for what is one."""
        if isinstance(found, Refusal):
            raise refused(found, self.name)
        return found

    def unreadable(self, error: Exception, body: bytes) -> UpstreamRefused:
        """For an answer that was taken for one and cannot be read as such."""
        return UpstreamRefused(f"The provider's answer is not shaped as one: {error}", 200, None, body, self.name)
