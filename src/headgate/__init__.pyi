from headgate.sdk import (
    Answer,
    Done,
    Error,
    Extracted,
    Headgate,
    HeadgateError,
    HeadgateSync,
    InvalidRequest,
    Refused,
    Route,
    StreamBroke,
    Token,
    ToolCall,
    UpstreamRefused,
)

__version__: str

__all__ = [
    "Answer",
    "Done",
    "Error",
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
