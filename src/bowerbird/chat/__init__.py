"""Messages → replies of a language model."""

from __future__ import annotations

from bowerbird.chat.base import Chat, Message
from bowerbird.chat.cited import CitedReply, CitedText, Evidence, cited_messages
from bowerbird.chat.openai import OpenAIChat

__all__ = ["Chat", "CitedReply", "CitedText", "Evidence", "Message", "OpenAIChat", "cited_messages"]
