"""Every refusal of the pretend Groq: status, type, code and the words a client's grammar must know."""

from typing import Any

import msgspec
import pytest
from tests.simulator.asking import KEY, MODEL, ORG, body, decoded, error, groq, post, rich

from headgate.simulator.settings import Organisation, SpendBlock, settings_from

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
QWEN = "qwen/qwen3.8-27b"


def json_schema(schema: Any, *, strict: bool = True) -> dict[str, Any]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "N", "strict": strict, "schema": schema}}
    }


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": "x"} | fields, {"role": "user", "content": "y"}]}


REFUSALS: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"chat_template_kwargs": {}}, 400, None, "property 'chat_template_kwargs' is unsupported"),
    ({"logprobs": True}, 400, None, "`logprobs` is not supported with this model"),
    ({"logit_bias": {"1": 2}}, 400, None, "`logit_bias` is not supported with this model"),
    ({"n": 2}, 400, None, "must be at most 1"),
    ({"temperature": 3}, 400, None, "'temperature' : number must be at most 2"),
    ({"messages": []}, 400, None, "minimum number of items is 1"),
    ({"messages": None}, 400, None, "property 'messages' is missing"),
    (
        message(reasoning_content="z"),
        400,
        None,
        (
            "'messages.0' : for 'role:assistant' the following must be satisfied"
            "[('messages.0' : property 'reasoning_content' is unsupported)]"
        ),
    ),
    (message(refusal=None), 400, None, "property 'refusal' is unsupported"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        400,
        None,
        "messages[0].content must be a string",
    ),
    ({"model": None}, 400, None, "property 'model' is missing"),
    ({"model": "nope"}, 404, "model_not_found", "The model `nope` does not exist or you do not have access to it."),
    (
        {"model": "qwen/qwen3-32b"},
        400,
        "model_decommissioned",
        "The model `qwen/qwen3-32b` has been decommissioned and is no longer supported.",
    ),
    ({"model": "whisper-large-v3"}, 400, None, "does not support chat completions"),
    (
        {"model": QWEN, "max_completion_tokens": 16385},
        400,
        None,
        "`max_completion_tokens` must be less than or equal to `16384`, the maximum value for `max_completion_tokens`",
    ),
    (
        {"messages": [{"role": "user", "content": "word " * 140_000}]},
        400,
        "context_length_exceeded",
        "Please reduce the length of the messages or completion.",
    ),
    ({"reasoning_effort": "none"}, 400, None, "`reasoning_effort` must be one of `low`, `medium`, or `high`"),
    ({"reasoning_format": "raw", "tools": [TOOL]}, 400, None, "must not be `raw`"),
    ({"reasoning_format": "parsed", "include_reasoning": True}, 400, None, "cannot specify both"),
    ({"response_format": {"type": "json_object"}}, 400, None, "must contain the word 'json'"),
    (
        {"response_format": {"type": "json_object"}, "tools": [TOOL]},
        400,
        None,
        "json mode cannot be combined with tool/function calling",
    ),
    ({"tool_choice": {"type": "function", "function": {"name": "g"}}, "tools": [TOOL]}, 400, None, "tool 'g'"),
    (
        json_schema({"type": "object", "properties": {}}),
        400,
        None,
        "invalid JSON schema for response_format: 'N': /: `additionalProperties:false` must be set on every object",
    ),
    (
        json_schema({"type": "object", "properties": {"a": {}}, "required": [], "additionalProperties": False}),
        400,
        None,
        "The following properties must be listed in `required`: a",
    ),
    (
        {"model": "allam-2-7b"} | json_schema({"type": "object"}, strict=False),
        400,
        None,
        "This model does not support response format `json_schema`.",
    ),
    ({"service_tier": "flex"}, 400, None, "not available for this organization"),
    ({"stream_options": {"include_usage": True}}, 400, None, "'stream_options'"),
    ({"model": "meta-llama/llama-prompt-guard-2-86m"} | message(), 400, None, "must contains a single user message"),
]


@pytest.mark.parametrize("fields, status, code, text", REFUSALS, ids=[row[3][:40] for row in REFUSALS])
def test_refused_request(fields: dict[str, Any], status: int, code: str | None, text: str) -> None:
    """Each invalid request is answered with Groq's status, code and words, and costs nothing."""
    pretend = groq()
    script = post(pretend, body() | fields)
    found = error(script)
    assert (script.status, found["type"], found.get("code")) == (status, "invalid_request_error", code)
    assert text in found["message"]
    assert None not in found.values()
    assert not pretend.limiter.calls


def test_body_that_is_no_json_is_refused() -> None:
    """Broken JSON is a 400 too."""
    assert post(groq(), b'{"model":').status == 400


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/v1/chat/completions"])
def test_both_bases_answer(path: str) -> None:
    """The Groq SDK's path and the OpenAI SDK's path are the same place."""
    raw = msgspec.json.encode(body())
    assert groq().handle("POST", path, {"authorization": f"Bearer {KEY}"}, raw, 0.0).status == 200


@pytest.mark.parametrize(
    "method, path",
    [("GET", "/openai/v1/nothing"), ("POST", "/v1/messages"), ("GET", "/openai/v1/chat/completions")],
)
def test_unknown_url_is_echoed(method: str, path: str) -> None:
    """Any other path is a 404 that names method and path."""
    script = groq().handle(method, path, {}, b"", 0.0)
    assert script.status == 404
    assert error(script)["code"] == "unknown_url"
    assert error(script)["message"].startswith(f"Unknown request URL: {method} {path}. Please check")


@pytest.mark.parametrize("key", ["", "gsk_other", "gsk_revoked"])
def test_key_that_is_not_valid(key: str) -> None:
    """Missing, unknown and revoked keys get one and the same 401 that never echoes them."""
    pretend = groq(revoked_keys={"gsk_revoked": 5.0}, keys={KEY: ORG, "gsk_revoked": ORG})
    script = post(pretend, body(), now=6.0, key=key)
    assert script.status == 401
    assert error(script) == {"message": "Invalid API Key", "type": "invalid_request_error", "code": "invalid_api_key"}
    assert post(pretend, body(), now=6.0).status == 200


def test_key_works_until_it_is_revoked() -> None:
    """Revocation has an instant."""
    pretend = groq(revoked_keys={KEY: 5.0})
    assert [post(pretend, body(), now=at).status for at in (0.0, 4.99, 5.0)] == [200, 200, 401]


def test_any_key_reaches_an_organisation_of_its_own() -> None:
    """In the demo every bearer is a key: the same key the same organisation, another key another one."""
    pretend = groq(any_key_organisation=True)
    one, same, other = (pretend.organisation_of(key, 0.0) for key in ("a", "a", "b"))
    assert one == same != other
    assert one is not None
    assert one.startswith("org_")


@pytest.mark.parametrize("code", ["blocked_api_access", "spend_limit_reached"])
def test_spend_limit_blocks_for_its_time(code: str) -> None:
    """An organisation at its cap gets a 400 with the chosen code until the block ends."""
    organisation = Organisation(spend_block=SpendBlock(from_at=10.0, until=20.0, code=code))
    pretend = groq(organisation=organisation)
    assert [post(pretend, body(), now=at).status for at in (9.0, 10.0, 20.0)] == [200, 400, 200]
    assert error(post(groq(organisation=organisation), body(), now=15.0))["code"] == code


def test_retired_model_can_be_not_found() -> None:
    """Live replies disagree about retired models: the switch chooses."""
    pretend = groq(retired_as="model_not_found")
    assert error(post(pretend, body(model="qwen/qwen3-32b")))["code"] == "model_not_found"


def test_every_reply_of_a_known_model_carries_limits_and_a_request_id() -> None:
    """429s and successes show the six headers; every reply has a request id of its own."""
    pretend = groq()
    ask = body(max_completion_tokens=5000)
    scripts = [post(pretend, ask), post(pretend, ask), post(pretend, b"{}")]
    assert [script.status for script in scripts] == [200, 429, 400]
    shown = [sum("ratelimit" in name for name, _ in pretend.opening(script, 1000.0)) for script in scripts]
    assert shown == [6, 6, 0]
    ids = {dict(script.headers)["x-request-id"] for script in scripts}
    assert len(ids) == 3
    assert all(len(found) == 30 and found.startswith("req_") for found in ids)


def test_models_list_and_entry_are_live_shaped() -> None:
    """Running models with their fields, prices as text; ids with slashes work; retired ones are gone."""
    pretend = groq()
    headers = {"authorization": f"Bearer {KEY}"}
    listed = decoded(pretend.handle("GET", "/openai/v1/models", headers, b"", 0.0))
    entry = next(entry for entry in listed["data"] if entry["id"] == MODEL)
    assert entry == decoded(pretend.handle("GET", f"/v1/models/{MODEL}", headers, b"", 0.0))
    assert entry["created"] == 1754408224
    assert entry["pricing"]["prompt"] == "0.00000015"
    assert entry["supported_features"] == ["tools", "json_mode", "structured_outputs", "reasoning"]
    assert "llama-3.1-8b-instant" not in {entry["id"] for entry in listed["data"]}
    gone = pretend.handle("GET", "/v1/models/llama-3.1-8b-instant", headers, b"", 0.0)
    assert gone.status == 404
    assert pretend.handle("GET", "/v1/models", {}, b"", 0.0).status == 401


def test_guard_reports_no_completion_tokens() -> None:
    """Prompt-guard models answer a score, and usage shows a total of 0 (groq-api 1.2)."""
    found = decoded(post(groq(organisation=rich()), body(model="meta-llama/llama-prompt-guard-2-86m")))
    assert 0.0 <= float(found["choices"][0]["message"]["content"]) <= 1.0
    assert (found["usage"]["completion_tokens"], found["usage"]["total_tokens"]) == (0, 0)


def test_settings_come_from_plain_data() -> None:
    """TOML-shaped data becomes settings; unknown names are refused with their name."""
    made = settings_from(
        {
            "seed": 4,
            "keys": {"k": "org_a"},
            "organisations": {"org_a": {"plan": "developer", "limits": {"*": {"TPM": 500}}}},
            "faults": [{"kind": "slow", "delay_s": 2.0, "model": MODEL}],
            "strangers": [{"organisation": "org_a", "share": 0.3}],
            "admission": "prompt_only",
        }
    )
    assert made.organisations["org_a"].limits["*"]["TPM"] == 500  # type: ignore[index]
    assert made.faults[0].delay_s == 2.0
    with pytest.raises(msgspec.ValidationError, match="sede"):
        settings_from({"sede": 1})
