"""The in-process door: the same gate as over HTTP, without a socket between the application and it.

    from headgate import Headgate

    async with Headgate() as gate:
        answer = await gate.chat("Hello")

`HeadgateSync` is the same for programs that do not await.
"""

from headgate.sdk.answer import Answer, Done, Error, Event, Token, ToolCall
from headgate.sdk.blocking import AnswerStreamSync, HeadgateSync
from headgate.sdk.door import AnswerStream, Headgate
from headgate.sdk.extracting import Extracted
from headgate.sdk.options import ChatOptions
from headgate.sdk.problems import HeadgateError, InvalidRequest, Refused, StreamBroke, UpstreamRefused
from headgate.sdk.routes import Route

__all__ = [
    "Answer",
    "AnswerStream",
    "AnswerStreamSync",
    "ChatOptions",
    "Done",
    "Error",
    "Event",
    "Extracted",
    "Headgate",
    "HeadgateError",
    "HeadgateSync",
    "InvalidRequest",
    "Refused",
    "Route",
    "StreamBroke",
    "Token",
    "ToolCall",
    "UpstreamRefused",
]
