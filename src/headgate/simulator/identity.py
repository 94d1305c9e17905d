"""The names that a reply bears: request ids, completion ids, tool-call ids and fingerprints, all drawn from digests."""

from hashlib import blake2b
from typing import Final

from headgate.simulator.chunks import Identity

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)
_SHIFTS: Final = tuple(range(120, -1, -10))
_SPREAD: Final = 0x9E3779B97F4A7C15F39D
_EIGHTY_BITS: Final = (1 << 80) - 1
_SHORT: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def stamp(seed: int, number: int, digest: bytes) -> bytes:
    """32 bytes of which everything random about one reply is made."""
    salt = seed.to_bytes(8, "big", signed=True) + number.to_bytes(8, "big")
    return blake2b(digest + salt, digest_size=32).digest()


def request_id(drawn: bytes, unix_ms: int) -> str:
    """`req_` and a lower-case ULID."""
    return "req_" + ulid(drawn, unix_ms)


def ulid(drawn: bytes, unix_ms: int, salt: int = 0) -> str:
    """A lower-case ULID; another salt, another id of the same millisecond."""
    value = unix_ms << 80 | (int.from_bytes(drawn[:10], "big") ^ salt * _SPREAD & _EIGHTY_BITS)
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def identity(drawn: bytes, unix_s: float, model: str, fingerprint: str, tier: str, seed: int | None) -> Identity:
    """All names of one chat reply."""
    text = drawn.hex()
    return Identity(
        completion_id=f"chatcmpl-{_uuid(text[:32])}",
        request_id=request_id(drawn, int(unix_s * 1000)),
        tool_call_id=_tool_call_id(model, drawn, text),
        created=int(unix_s),
        model=model,
        fingerprint=fingerprint,
        seed=seed if isinstance(seed, int) else int.from_bytes(drawn[10:14], "big") & 0x7FFFFFFF,
        tier=tier,
    )


def fingerprint(model: str, seed: int) -> str:
    """`fp_` and ten hex digits, the same for a model as long as the seed is."""
    return "fp_" + blake2b(f"{model}/{seed}".encode(), digest_size=5).hexdigest()


def _uuid(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def _tool_call_id(model: str, drawn: bytes, text: str) -> str:
    """gpt-oss writes `fc_` and a UUID, the others nine characters (groq-api 1.2)."""
    if model.startswith("openai/"):
        return f"fc_{_uuid(text[32:])}"
    return "".join([_SHORT[byte % 36] for byte in drawn[14:23]])
