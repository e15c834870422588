"""Pictures inside a page, so that the page is one file."""

import base64
import html
from pathlib import Path

KINDS = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}


def encoded(picture: Path | str, alt: str) -> str:
    """An ``img`` that holds its file; a text is the source of an SVG.

    Raises:
        ValueError: nobody says in words what it shows.
    """
    if not alt:
        raise ValueError(f"{picture} needs words for those who do not see it")
    kind = KINDS[picture.suffix] if isinstance(picture, Path) else KINDS[".svg"]
    content = picture.read_bytes() if isinstance(picture, Path) else picture.encode()
    return image(f"data:{kind};base64,{base64.b64encode(content).decode()}", alt)


def image(source: str, alt: str) -> str:
    """An ``img`` of a source, with words for those who do not see it."""
    return f'<img class="picture" src="{source}" alt="{html.escape(alt, quote=True)}">'
