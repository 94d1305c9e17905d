"""The table of paths: what is there, what is not, and what each says to a method that it has not."""

import random

import msgspec
import pytest
from tests.remedies.house import SMALL, open_house, pretend

from headgate.runtime.keys import config_line, new_virtual_key
from headgate.server.routes import ROUTES, find, tail_of, unknown_url

JSON = {"content-type": "application/json"}
KEY, _ROW = new_virtual_key(random.Random(3).randbytes, tenant="one")
KEYS = config_line(_ROW)
MESSAGE = msgspec.json.encode({"model": SMALL, "max_tokens": 40, "messages": [{"role": "user", "content": "hello"}]})


@pytest.mark.parametrize(
    "path, given",
    [
        ("/v1/models/a/b", {"id": "a/b"}),
        ("/openai/v1/models/a", {"id": "a"}),
        ("/v1/requests/req_1", {"id": "req_1"}),
        ("/v1/messages/count_tokens", {}),
    ],
)
def test_path_is_known(path: str, given: dict[str, str]) -> None:
    """A path under either base finds its row, with what its pattern holds."""
    found = find(tail_of(path))
    assert found is not None
    assert found.given == given


@pytest.mark.parametrize(
    "path", ["/models", "/v1", "/v1/", "/v1/models/", "/v1/requests/a/b", "/v2/models", "/v1x/models"]
)
def test_path_is_unknown(path: str) -> None:
    """Nothing else finds a row: not a base alone, not an empty id, not an id with a slash where none may be."""
    assert find(tail_of(path)) is None


def test_unknown_url_lists_the_table() -> None:
    """Every pattern stands in the 404, so that no row can be forgotten there."""
    text = unknown_url("GET", "/v1/nothing", "req_1").decode()
    for route in ROUTES:
        assert f"/v1{route.pattern.replace(':path', '')}" in text


async def test_every_row_answers_at_both_bases() -> None:
    """A wrong method is a 405 that names the right ones, and OPTIONS lists them; HEAD is GET without a body."""
    async with open_house(pretend()) as house:
        for base in ("/v1", "/openai/v1"):
            for pattern in {route.pattern for route in ROUTES}:
                path = base + pattern.replace("{id:path}", SMALL).replace("{id}", "x")
                methods = {route.method for route in ROUTES if route.pattern == pattern}
                wrong = await house.fetch("PATCH", path, b"{}", JSON)
                assert (wrong.status, wrong.error["type"]) == (405, "invalid_request_error"), path
                assert wrong.headers["x-request-id"].startswith("req_")
                options = await house.fetch("OPTIONS", path)
                assert (options.status, options.body) == (204, b"")
                assert "content-length" not in options.headers  # RFC 9110, 8.6
                for answer in (wrong, options):
                    assert methods <= set(answer.headers["allow"].split(", "))
                assert "access-control-allow-origin" not in options.headers
        for path in ("/v1/models", f"/v1/models/{SMALL}", "/readyz", "/healthz"):
            whole, head = await house.fetch("GET", path), await house.fetch("HEAD", path)
            assert (head.status, head.body) == (whole.status, b""), path
            assert head.headers["content-type"] == whole.headers["content-type"]


async def test_errors_are_worded_for_anthropics_clients() -> None:
    """Under /messages every error of the door itself is Anthropic's: no key, no such method, no such path."""
    async with open_house(pretend(), toml=KEYS) as house:
        key = {"x-api-key": KEY}
        for method, path, headers, status, kind in (
            ("POST", "/v1/messages", {}, 401, "authentication_error"),
            ("POST", "/v1/messages", {"x-api-key": "hg_wrong"}, 401, "authentication_error"),
            ("GET", "/v1/messages", key, 405, "invalid_request_error"),
            ("POST", "/v1/messages/batches", key, 404, "not_found_error"),
            ("POST", "/v1/messages/count_tokens", key, 400, "invalid_request_error"),
            ("POST", "/v1/messages", key | {"content-type": "text/plain"}, 415, "invalid_request_error"),
            ("POST", "/v1/messages", key | {"x-headgate-route": "none"}, 400, "invalid_request_error"),
        ):
            answer = await house.fetch(method, path, b"{}", JSON | headers)
            assert (answer.status, answer.json["type"], answer.error["type"]) == (status, "error", kind), (path, answer)
        plain = await house.fetch("POST", "/v1/responses", b"{}", JSON)
        assert set(plain.error) == {"message", "type", "param", "code"}


async def test_virtual_key_in_either_header() -> None:
    """Anthropic's SDK sends its key as `x-api-key`, others as a bearer: both open every door."""
    async with open_house(pretend(), models=(), toml=KEYS) as house:
        for headers in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
            answer = await house.fetch("POST", "/v1/messages", MESSAGE, JSON | headers)
            assert answer.status == 200, answer
            assert answer.headers["request-id"] == answer.headers["x-request-id"]
            assert answer.label("source") == "upstream"
