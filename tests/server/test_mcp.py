"""The tools through the official client, over both transports, against the real command."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image as pil

from tests.server.conftest import VALVES, no_path_of_the_disk
from tests.server.serving import PATIENCE, ROOT, serving

READING = {"search", "ask", "get_item", "get_page_image", "list_sources"}


def over_stdio(work: Callable[[Client], Awaitable[None]], library: Path, *options: str) -> None:
    command = ["-m", "bowerbird.cli", "mcp", str(library), *options]
    asyncio.run(used(StdioServerParameters(command=sys.executable, args=command, cwd=ROOT, env=dict(os.environ)), work))


async def used(server: Any, work: Callable[[Client], Awaitable[None]]) -> None:
    async with Client(server, read_timeout_seconds=PATIENCE) as client:
        await work(client)


def texts(result: CallToolResult) -> list[Any]:
    """What a tool said; JSON where it is."""
    assert not result.is_error, result.content
    said = [content.text for content in result.content if isinstance(content, TextContent)]
    assert all(no_path_of_the_disk(text) for text in said)
    return [json.loads(text) if text.startswith("{") else text for text in said]


def pictures(result: CallToolResult) -> list[Any]:
    found = [content for content in result.content if isinstance(content, ImageContent)]
    return [(content.mime_type, pil.open(io.BytesIO(base64.b64decode(content.data)))) for content in found]


async def read_everything(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        assert tool.description
        assert tool.annotations
        assert tool.annotations.read_only_hint or tool.name == "add"
    result = await client.call_tool("search", {"query": "valves of the heart", "k": 3})
    hit = texts(result)[0]
    assert (hit["source"], hit["locator"]["page"]) == ("heart.pdf", 1)
    assert pictures(result)[0][0] == "image/webp"
    bare = await client.call_tool("search", {"query": "valves of the heart", "k": 3, "pictures": False})
    assert not pictures(bare)
    (item,) = texts(await client.call_tool("get_item", {"id": hit["best"]}))
    assert VALVES in item["text"]
    ((kind, page),) = pictures(await client.call_tool("get_page_image", {"id": hit["best"]}))
    assert (kind, max(page.size)) == ("image/png", 1600)
    assert (255, 170, 0) in {color for _, color in page.getcolors(1 << 24)}
    question = "Which four valves open and close with every beat of the heart?"
    (answer,) = texts(await client.call_tool("ask", {"question": question}))
    assert answer["supported"]
    assert answer["citations"][0]["source"] == "heart.pdf"
    (sources,) = texts(await client.call_tool("list_sources", {}))
    assert "salmon.txt" in {source["source"] for source in sources["sources"]}
    for tool, wrong in (("get_item", {"id": "0" * 24}), ("get_item", {"id": "../etc"}),
                        ("search", {"query": "x", "filter": "path = 1"}), ("search", {"query": " "})):  # fmt: skip
        refused = await client.call_tool(tool, wrong)
        assert refused.is_error
        assert no_path_of_the_disk(str(refused.content))


def test_tools_over_http(library: Path) -> None:
    """`add` is not among them."""

    async def read(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING
        await read_everything(client)

    with serving(library, "--http", before=("mcp",)) as server:
        asyncio.run(used(f"{server.url}/mcp", read))
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        for headers in ({"Host": "rebound.example"}, {"Origin": "http://evil.example"}):
            assert httpx.post(f"{server.url}/mcp", json=message, headers=headers).status_code in (400, 403)


def test_tools_over_stdio_and_add_takes_files_of_one_folder_only(copy: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "walrus.txt").write_text("Walruses have tusks.")
    (tmp_path / "secret.txt").write_text("A secret.")
    (shelf / "link.txt").symlink_to(tmp_path / "secret.txt")

    async def add(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING | {"add"}
        assert not tools["add"].annotations.read_only_hint
        await read_everything(client)
        for outside in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "absent.txt"):
            assert (await client.call_tool("add", {"path": outside})).is_error, outside
        (report,) = texts(await client.call_tool("add", {"path": "."}))
        assert (report["added"], report["failed"]) == (1, [])
        hits = texts(await client.call_tool("search", {"query": "walrus tusks", "k": 1}))
        assert hits[0]["title"] == "walrus.txt"

    over_stdio(add, copy, "--add-from", str(shelf))
