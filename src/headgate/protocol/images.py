"""Images in a request: how many there are and how large those are that come with it. It decodes no picture."""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.protocol.dialect import Dialect

_DATA: Final = "data:"
_BASE64: Final = ";base64"
_MEGABYTE: Final = 1024 * 1024


class _Url(msgspec.Struct, gc=False):
    url: str = ""


class _Part(msgspec.Struct, gc=False):
    type: str = ""
    image_url: _Url | str | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | list[_Part] | None = None


_decode: Final = msgspec.json.Decoder(list[_Message]).decode


def image_problem(messages: Raw, dialect: Dialect, max_images: int) -> str | None:
    """Why the provider would refuse these images, in words for the client; None where it would not.

    `max_images` is the model's (0: not known). Only images that are written into the request can be measured; what a
    URL leads to is the provider's to judge. Costs nothing worth mentioning, but call it only for requests with images.
    """
    urls = [url for message in _decode(messages) if isinstance(message.content, list) for url in _urls(message.content)]
    if max_images and len(urls) > max_images:
        return f"{len(urls)} images were given; the model takes {max_images}. Leave out some of them."
    for number, url in enumerate(urls, start=1):
        if (problem := _problem(url, dialect)) is not None:
            return f"Image {number} {problem}"
    return None


def _urls(parts: list[_Part]) -> list[str]:
    images = [part.image_url for part in parts if part.type == "image_url"]
    return [image.url if isinstance(image, _Url) else image or "" for image in images]


def _problem(url: str, dialect: Dialect) -> str | None:
    if url[:8].lower().startswith(("https://", "http://")):
        return None
    if url[: len(_DATA)].lower() != _DATA:
        return "has no usable URL: give https://..., or data:image/png;base64,... with the image itself."
    head, comma, data = url[:128].partition(",")
    if not comma or not head.lower().endswith(_BASE64) or not data:
        return "is not written as data:image/png;base64,... with the image itself."
    size = len(url) - len(head) - 1
    most = dialect.max_data_image_bytes
    if most is not None and size > most:
        return (
            f"has {size / _MEGABYTE:.1f} MB of base64; {dialect.name} takes {most / _MEGABYTE:.0f} MB. "
            "Make it smaller, or give its https URL."
        )
    return None
