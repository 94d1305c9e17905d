"""The pure parts of the upstream client: addresses, request bytes, content decoding."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.runtime.upstream import Endpoint, ReplyLimits, UpstreamErrorKind
from headgate.runtime.upstream_decode import BadContentError, Inflater
from headgate.runtime.upstream_request import RequestEncoder

ENDPOINT = Endpoint.parse("http://upstream.test:8000/v1")


@pytest.mark.parametrize(
    "url, origin, prefix",
    [
        ("https://api.groq.com", "https://api.groq.com", ""),
        ("https://api.groq.com/openai/v1/", "https://api.groq.com", "/openai/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080", "/v1"),
        ("http://[::1]:9000", "http://[::1]:9000", ""),
        ("https://host:443/a", "https://host", "/a"),
        ("https://bücher.example", "https://xn--bcher-kva.example", ""),
    ],
)
def test_base_url(url: str, origin: str, prefix: str) -> None:
    """A host root and a longer base are both understood."""
    endpoint = Endpoint.parse(url)
    assert (endpoint.origin, endpoint.prefix) == (origin, prefix)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.groq.com",
        "ftp://a",
        "https://",
        "https://u:p@a",
        "https://a?x=1",
        "https://a#b",
        "https://a/b c",
        "http://a:99999",
    ],
)
def test_bad_base_url(url: str) -> None:
    """What cannot be a base URL, or carries a secret, is refused."""
    with pytest.raises(ValueError, match=r".+"):
        Endpoint.parse(url)


@pytest.mark.parametrize(
    "url",
    ["https://api.groq.com", "https://api.groq.com/", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"],
)
def test_groq_base_url_forms_mean_the_same(url: str) -> None:
    """Groq's host root and its `/openai/v1` form name one endpoint."""
    assert Endpoint.parse_groq(url).path("/chat/completions") == "/openai/v1/chat/completions"


def test_request_bytes() -> None:
    """A request is one write: the constant head, the caller's headers, the length, the body."""
    data = RequestEncoder(ENDPOINT).encode("POST", ENDPOINT.path("x"), [(b"authorization", b"Bearer k")], b"{}")
    assert data == (
        b"POST /v1/x HTTP/1.1\r\nhost: upstream.test:8000\r\naccept-encoding: identity\r\nuser-agent: headgate\r\n"
        b"authorization: Bearer k\r\ncontent-length: 2\r\n\r\n{}"
    )


def test_request_without_body() -> None:
    """A GET says nothing of a length; an empty POST says 0."""
    encoder = RequestEncoder(ENDPOINT)
    assert b"content-length" not in encoder.encode("GET", "/v1/models", [], b"")
    assert b"content-length: 0\r\n\r\n" in encoder.encode("POST", "/v1/x", [], b"")


@given(st.binary(max_size=12), st.binary(max_size=12), st.sampled_from([b"\r", b"\n", b"\0", b"\r\n"]))
def test_header_injection(before: bytes, after: bytes, evil: bytes) -> None:
    """No value with CR, LF or NUL anywhere in it is ever turned into bytes."""
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        RequestEncoder(ENDPOINT).encode("POST", "/", [(b"x-user", before + evil + after)], b"\r\n\0")


@pytest.mark.parametrize(
    "name", [b"", b"a b", b"a:", b"x\r\ny", b"\xff", b"Host", b"Content-Length", b"Transfer-Encoding"]
)
def test_header_name(name: bytes) -> None:
    """A name must be a token, and none of those that frame the message."""
    encoder = RequestEncoder(ENDPOINT)
    for _ in range(2):  # a refused name is not remembered as a good one
        with pytest.raises(ValueError, match=r"token|itself"):
            encoder.encode("POST", "/", [(name, b"v")], b"")


@pytest.mark.parametrize(
    "method, path",
    [("HEAD", "/"), ("CONNECT", "/"), ("get", "/"), ("GET", "x"), ("GET", "/a b"), ("GET", "/\r\nx"), ("GET", "/é")],
)
def test_request_line(method: str, path: str) -> None:
    """Methods that frame replies differently, and paths that could split the line, are refused."""
    with pytest.raises(ValueError, match=r"method|path"):
        RequestEncoder(ENDPOINT).encode(method, path, [], b"")


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


@pytest.mark.parametrize(
    "coding, squeeze",
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_content_that_was_compressed_uninvited(coding: str, squeeze: object, step: int) -> None:
    """Gzip and both readings of deflate are undone, however the bytes are cut."""
    assert callable(squeeze)
    content = bytes(range(256)) * 20
    encoded = squeeze(content)
    inflater = Inflater(coding, ReplyLimits())
    decoded = b"".join(inflater.feed(encoded[at : at + step]) for at in range(0, len(encoded), step))
    assert decoded == content
    assert inflater.is_whole


@pytest.mark.parametrize(
    "coding, encoded, kind",
    [
        ("gzip", gzip.compress(bytes(20_000_000)), UpstreamErrorKind.TOO_LARGE),
        ("deflate", zlib.compress(bytes(20_000_000)), UpstreamErrorKind.TOO_LARGE),
        ("gzip", b"no gzip at all", UpstreamErrorKind.MALFORMED),
        ("gzip", gzip.compress(b"a") + b"more", UpstreamErrorKind.MALFORMED),
        ("br", b"", UpstreamErrorKind.MALFORMED),
        ("zstd", b"", UpstreamErrorKind.MALFORMED),
        ("gzip, gzip", b"", UpstreamErrorKind.MALFORMED),
    ],
    ids=["gzip bomb", "deflate bomb", "nonsense", "extra bytes", "brotli", "zstd", "twice"],
)
def test_bad_compressed_content(coding: str, encoded: bytes, kind: UpstreamErrorKind) -> None:
    """A bomb is too large, nonsense and other codings are malformed."""
    with pytest.raises(BadContentError) as caught:
        Inflater(coding, ReplyLimits()).feed(encoded)
    assert caught.value.kind is kind


def test_bomb_does_not_fill_the_memory_first() -> None:
    """A bomb is stopped at the ratio, not after it went off."""
    limits = ReplyLimits(inflation_grace_bytes=1000)
    inflater = Inflater("gzip", limits)
    bomb = gzip.compress(bytes(50_000_000))
    passed = 0
    with pytest.raises(BadContentError):  # noqa: PT012 (where it stops is what the test is about)
        for at in range(0, len(bomb), 100):
            passed += len(inflater.feed(bomb[at : at + 100]))
    assert passed <= limits.max_inflation * 1000


def test_truncated_gzip_is_not_whole() -> None:
    """Content that stops before its own end does not count as whole."""
    inflater = Inflater("gzip", ReplyLimits())
    inflater.feed(gzip.compress(b"hello")[:-4])
    assert not inflater.is_whole
