"""The demo shop as a process, and a visitor who clicks around in it."""

from __future__ import annotations

import re
import sys

import httpx

from tests.support.processes import Server

SHOP = [
    sys.executable, "-m", "uvicorn", "--factory", "examples.store.shop.app:create_app",
    "--port", "{port}",
]  # fmt: skip
VISITOR = {"Proffer-Visitor": "v-8c1f"}


def browser_at(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=VISITOR, follow_redirects=True)


def put(visitor: httpx.Client, product: str, quantity: int | str = 1) -> httpx.Response:
    return visitor.post("/cart/add", data={"product": product, "quantity": str(quantity)})


def total(page: httpx.Response) -> str:
    found = re.search(r'<dd class="total">(.*?)</dd>', page.text)
    assert found, page.text
    return found[1]
