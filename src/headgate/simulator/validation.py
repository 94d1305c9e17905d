"""What Groq refuses in a chat request, field by field: one small check per subject, in a table.

Sources are groq-api 1.1, 3.3, 5 and 7; the texts are those of live replies where one is known. A check is given the
decoded body and the model, and answers with the first thing that is wrong.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate.catalog import Model
from headgate.domain.request import Need
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.schema import strict_fault
from headgate.simulator.verdicts import only_scores

Body = Mapping[str, Any]

MOST_TOOLS: Final = 128
MOST_STOPS: Final = 4
_FIELD_NAMES: Final = (
    "messages model max_completion_tokens max_tokens temperature top_p n stop seed stream stream_options tools "
    "tool_choice parallel_tool_calls disable_tool_validation response_format reasoning_effort reasoning_format "
    "include_reasoning service_tier user citation_options documents search_settings include_domains exclude_domains "
    "compound_custom functions function_call metadata store frequency_penalty presence_penalty logprobs top_logprobs "
    "logit_bias"
)
KNOWN_FIELDS: Final = frozenset(_FIELD_NAMES.split())
REFUSED_FIELDS: Final = ("logprobs", "top_logprobs", "logit_bias")
MESSAGE_FIELDS: Final[dict[str, frozenset[str]]] = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "tool_calls", "reasoning"}),
    "tool": frozenset({"role", "content", "name", "tool_call_id"}),
    "function": frozenset({"role", "content", "name"}),
}
TIERS: Final = ("auto", "on_demand", "flex", "performance")


def _check_fields(raw: Body, _model: Model) -> Rejection | None:
    for name in raw:
        if name not in KNOWN_FIELDS:
            return errors.invalid(f"property '{name}' is unsupported")
    for name in REFUSED_FIELDS:
        if raw.get(name):
            return errors.invalid(f"`{name}` is not supported with this model", name)
    return None


def _check_messages(raw: Body, model: Model) -> Rejection | None:
    messages = raw.get("messages")
    if not isinstance(messages, list):
        return errors.invalid("'messages' : property 'messages' is missing", "messages")
    if not messages:
        return errors.invalid("'messages' : minimum number of items is 1", "messages")
    for index, message in enumerate(messages):
        found = _message_fault(index, message, model)
        if found is not None:
            return found
    if only_scores(model) and (len(messages) != 1 or messages[0]["role"] != "user"):
        return errors.invalid("messages must contains a single user message for text classification models", "messages")
    return None


def _message_fault(index: int, message: object, model: Model) -> Rejection | None:
    role = message.get("role") if isinstance(message, dict) else None
    allowed = MESSAGE_FIELDS.get(role) if isinstance(role, str) else None
    if not isinstance(message, dict) or allowed is None:
        return errors.invalid(f"'messages.{index}' : discriminator property 'role' has invalid value", "messages")
    if not message.keys() <= allowed:
        extra = next(name for name in message if name not in allowed)
        return errors.invalid(
            f"'messages.{index}' : for 'role:{role}' the following must be satisfied"
            f"[('messages.{index}' : property '{extra}' is unsupported)]"
        )
    content = message.get("content")
    if isinstance(content, str):
        return None
    if isinstance(content, list):
        return _parts_fault(index, content, model)
    if content is None and role == "assistant":
        return None
    return errors.invalid(
        f"'messages.{index}' : for 'role:{role}' the following must be satisfied"
        f"[('messages.{index}.content' : one of the following must be satisfied"
        f"[('messages.{index}.content' : value must be a string) OR "
        f"('messages.{index}.content' : value must be an array)])]"
    )


def _parts_fault(index: int, parts: list[Any], model: Model) -> Rejection | None:
    images = 0
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url":
            images += 1
            if Need.VISION not in model.can:
                return errors.invalid(f"messages[{index}].content must be a string")
        elif kind not in ("text", "document"):
            return errors.invalid(f"'messages.{index}.content' : invalid content part type '{kind}'", "messages")
    if model.max_images and images > model.max_images:
        return errors.invalid(
            f"Too many images provided. This model supports up to {model.max_images} images", "messages"
        )
    return None


def _check_numbers(raw: Body, _model: Model) -> Rejection | None:
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("n", 1, 1)):
        value = raw.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return errors.invalid(f"'{name}' : value must be a number", name)
        if not low <= value <= high:
            bound = f"at most {high}" if value > high else f"at least {low}"
            return errors.invalid(f"'{name}' : number must be {bound}", name)
    seed = raw.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        return errors.invalid("'seed' : value must be an integer", "seed")
    stop = raw.get("stop")
    if isinstance(stop, list) and len(stop) > MOST_STOPS:
        return errors.invalid(f"'stop' : maximum number of items is {MOST_STOPS}", "stop")
    return None


def _check_maximum(raw: Body, model: Model) -> Rejection | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = raw.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            return errors.invalid(f"'{name}' : value must be an integer", name)
        if value < 1:
            return errors.invalid(f"`{name}` must be greater than or equal to `1`", name)
        if model.max_output_tokens and value > model.max_output_tokens:
            return errors.invalid(
                f"`{name}` must be less than or equal to `{model.max_output_tokens}`, the maximum value for "
                f"`{name}` is less than the `context_window` for this model",
                name,
            )
    return None


def _check_stream(raw: Body, _model: Model) -> Rejection | None:
    stream, options = raw.get("stream"), raw.get("stream_options")
    if stream is not None and not isinstance(stream, bool):
        return errors.invalid("'stream' : value must be a boolean", "stream")
    if options is not None and not isinstance(options, dict):
        return errors.invalid("'stream_options' : value must be an object", "stream_options")
    if options is not None and not stream:
        return errors.invalid("'stream_options' : only allowed when 'stream' is enabled", "stream_options")
    return None


def _check_tools(raw: Body, model: Model) -> Rejection | None:
    tools = raw.get("tools")
    if tools is None:
        return None
    if not isinstance(tools, list) or len(tools) > MOST_TOOLS:
        return errors.invalid(f"'tools' : maximum number of items is {MOST_TOOLS}", "tools")
    if tools and Need.TOOLS not in model.can:
        return errors.invalid("`tool calling` is not supported with this model", "tools")
    for index, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(tool, dict) or (tool.get("type") == "function" and not _named(function)):
            return errors.invalid(f"'tools.{index}.function' : property 'name' is missing", "tools")
    return _choice_fault(raw.get("tool_choice"), tools)


def _named(function: object) -> bool:
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _choice_fault(choice: object, tools: list[Mapping[str, Any]]) -> Rejection | None:
    if choice in (None, "none", "auto", "required"):
        return None
    name = chosen_function(choice)
    if name is None:
        return errors.invalid("'tool_choice' : value must be one of none, auto, required or a function", "tool_choice")
    if name not in function_names(tools):
        return errors.invalid(f"tool_choice: tool '{name}' was not in request.tools", "tool_choice")
    return None


def chosen_function(choice: object) -> str | None:
    """The name in a `tool_choice` that names one."""
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def function_names(tools: list[Mapping[str, Any]]) -> list[str]:
    """The declared functions; built-in tools have no names of their own."""
    return [tool["function"]["name"] for tool in tools if tool.get("type") == "function"]


def _check_format(raw: Body, model: Model) -> Rejection | None:
    wanted = raw.get("response_format")
    if wanted is None:
        return None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        return errors.invalid("'response_format.type' : value must be one of text, json_object or json_schema")
    if kind == "text":
        return None
    if raw.get("tools"):
        return errors.invalid("json mode cannot be combined with tool/function calling", "response_format")
    if kind == "json_object":
        return None
    if Need.JSON_SCHEMA not in model.can:
        return errors.invalid("This model does not support response format `json_schema`.", "response_format")
    return _schema_fault(wanted.get("json_schema"), model)


def _schema_fault(wanted: object, model: Model) -> Rejection | None:
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(wanted, dict) or not isinstance(schema, dict) or not isinstance(wanted.get("name"), str):
        return errors.invalid("'response_format.json_schema' : name and schema are required", "response_format")
    if not wanted.get("strict"):
        return None
    if not model.strict_schema:
        return errors.invalid("This model does not support strict response format `json_schema`.", "response_format")
    found = strict_fault(schema)
    if found is None:
        return None
    path, reason, code = found
    message = f"invalid JSON schema for response_format: '{wanted['name']}': {path}: {reason} [{code}]"
    return errors.error(400, message, param="response_format", schema_code=code, schema_path=path)


def _check_reasoning(raw: Body, model: Model) -> Rejection | None:
    effort, form = raw.get("reasoning_effort"), raw.get("reasoning_format")
    if effort is not None and not model.reasoning_efforts:
        return errors.invalid("`reasoning_effort` is not supported with this model", "reasoning_effort")
    if effort is not None and effort not in model.reasoning_efforts:
        return errors.invalid(
            f"`reasoning_effort` must be {_alternatives(model.reasoning_efforts)}", "reasoning_effort"
        )
    if form is None:
        return None
    if form not in ("hidden", "raw", "parsed"):
        return errors.invalid("`reasoning_format` must be one of `hidden`, `raw`, or `parsed`", "reasoning_format")
    if raw.get("include_reasoning") is not None:
        return errors.invalid("cannot specify both `include_reasoning` and `reasoning_format`", "reasoning_format")
    kind = (raw.get("response_format") or {}).get("type", "text")
    if form == "raw" and (raw.get("tools") or kind != "text"):
        text = "`reasoning_format` must not be `raw` when using JSON mode or tool calling"
        return errors.invalid(text, "reasoning_format")
    return None


def _alternatives(values: tuple[str, ...]) -> str:
    quoted = [f"`{value}`" for value in values]
    if len(quoted) < 3:
        return " or ".join(quoted)
    return f"one of {', '.join(quoted[:-1])}, or {quoted[-1]}"


def _check_tier(raw: Body, _model: Model) -> Rejection | None:
    tier = raw.get("service_tier")
    if tier is not None and tier not in TIERS:
        return errors.invalid(f"'service_tier' : value must be one of {', '.join(TIERS)}", "service_tier")
    return None


CHECKS: Final[tuple[Callable[[Body, Model], Rejection | None], ...]] = (
    _check_fields,
    _check_messages,
    _check_numbers,
    _check_maximum,
    _check_stream,
    _check_tools,
    _check_format,
    _check_reasoning,
    _check_tier,
)
"""In the order in which faults are told."""
