"""The in-process door: the same gate as over HTTP, without a socket between the application and it.

    from headgate import Headgate

    async with Headgate() as gate:
        answer = await gate.chat("Hello")

`HeadgateSync` is the same for programs that do not await.
"""

from headgate.catalog import Model
from headgate.sdk.answer import Answer, Done, Error, Event, Token, ToolCall
from headgate.sdk.blocking import AnswerStreamSync, HeadgateSync
from headgate.sdk.conversing import Conversation, Extraction
from headgate.sdk.conversing_sync import ConversationSync, ExtractionSync, JobHandleSync
from headgate.sdk.door import AnswerStream, Headgate
from headgate.sdk.extracting import Extracted
from headgate.sdk.hearing import AudioFile
from headgate.sdk.jobs import JobFailed, JobHandle, JobResult
from headgate.sdk.many import Many, ManySync
from headgate.sdk.options import CallOptions, ChatOptions
from headgate.sdk.packing import Packed
from headgate.sdk.parts import ExtractedLong, Summary
from headgate.sdk.problems import HeadgateError, InvalidRequest, Refused, StreamBroke, UpstreamRefused
from headgate.sdk.progress import Progress
from headgate.sdk.results import (
    BatchResult,
    Embeddings,
    Labelled,
    Moderation,
    Segment,
    Speech,
    Transcript,
    Verdict,
    Word,
)
from headgate.sdk.routes import Route

__all__ = [
    "Answer",
    "AnswerStream",
    "AnswerStreamSync",
    "AudioFile",
    "BatchResult",
    "CallOptions",
    "ChatOptions",
    "Conversation",
    "ConversationSync",
    "Done",
    "Embeddings",
    "Error",
    "Event",
    "Extracted",
    "ExtractedLong",
    "Extraction",
    "ExtractionSync",
    "Headgate",
    "HeadgateError",
    "HeadgateSync",
    "InvalidRequest",
    "JobFailed",
    "JobHandle",
    "JobHandleSync",
    "JobResult",
    "Labelled",
    "Many",
    "ManySync",
    "Model",
    "Moderation",
    "Packed",
    "Progress",
    "Refused",
    "Route",
    "Segment",
    "Speech",
    "StreamBroke",
    "Summary",
    "Token",
    "ToolCall",
    "Transcript",
    "UpstreamRefused",
    "Verdict",
    "Word",
]
