"""Owns what the in-process door raises: who refused, why, and what would help."""

from headgate.domain.answer import Refusal, RefusalCode, Tried
from headgate.domain.failure import Failure
from headgate.protocol.errors import redact


class HeadgateError(Exception):
    """Anything that kept a request from its answer. `request_id` is "" where there was no request yet."""

    def __init__(self, message: str, request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id


class InvalidRequest(HeadgateError, ValueError):
    """The arguments make no request; `param` names the one at fault."""

    def __init__(self, message: str, param: str | None = None, request_id: str = "") -> None:
        super().__init__(message, request_id)
        self.param = param


class Refused(HeadgateError):
    """Headgate could not answer. `retry_after_s` is there if and only if trying again can help."""

    def __init__(
        self,
        message: str,
        code: RefusalCode,
        status: int,
        retry_after_s: float | None = None,
        tried: tuple[Tried, ...] = (),
        request_id: str = "",
    ) -> None:
        super().__init__(message, request_id)
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s
        self.tried = tried


class UpstreamRefused(HeadgateError):
    """The provider refused the request itself. `body` is its own error, without the names of organisations."""

    def __init__(self, message: str, status: int, code: str | None, body: bytes, request_id: str = "") -> None:
        super().__init__(message, request_id)
        self.status = status
        self.code = code
        self.body = body


class StreamBroke(HeadgateError):
    """A stream ended before its answer did; `text` is what had come until then."""

    def __init__(self, message: str, code: str | None, text: str, request_id: str = "") -> None:
        super().__init__(message, request_id)
        self.code = code
        self.text = text


def refused(refusal: Refusal, request_id: str) -> HeadgateError:
    """A refusal as an exception; the caller's own mistakes are a ValueError too."""
    if refusal.code is RefusalCode.INVALID_REQUEST:
        return InvalidRequest(refusal.message, refusal.param, request_id)
    return Refused(refusal.message, refusal.code, refusal.status, refusal.retry_after_s, refusal.tried, request_id)


def relayed(failure: Failure, request_id: str) -> UpstreamRefused:
    """The provider's own error as an exception."""
    assert failure.status is not None
    message = redact(failure.message.encode()).decode(errors="replace") or f"The provider answered {failure.status}."
    return UpstreamRefused(message, failure.status, failure.code, redact(failure.body), request_id)
