"""How many tokens a text may have for a model whose tokenizer is not at hand, from above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smartypants.types import Message

_BYTES_PER_TOKEN: Final = 3
_TOKENS_PER_MESSAGE: Final = 8


def text_tokens(text: str) -> int:
    """A token for 3 bytes of UTF-8: English takes some 4 bytes a token and Chinese 3; digits
    and code can take fewer."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)


def conversation_tokens(messages: Sequence[Message]) -> int:
    """With 8 for each turn."""
    return sum(_TOKENS_PER_MESSAGE + text_tokens(message.content) for message in messages)
