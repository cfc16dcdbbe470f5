"""The sandboxes by marketplace, and a server of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from local.sandbox.account import Account
from local.sandbox.amazon.server import Amazon
from local.sandbox.app import App, Marketplace
from local.sandbox.arguments import Arguments
from local.sandbox.ebay.server import Ebay
from local.sandbox.http import Server
from local.sandbox.shopify.server import Shopify
from local.sandbox.takealot.server import Takealot
from local.sandbox.woocommerce.server import WooCommerce

#: Builds each marketplace from its accounts; the second argument chooses small limits.
SANDBOXES: Mapping[str, Callable[[list[Account], bool], Marketplace]] = {
    "amazon": Amazon,
    "ebay": Ebay,
    "shopify": Shopify,
    "takealot": Takealot,
    "woocommerce": WooCommerce,
}


def serve(arguments: Arguments, host: str = "127.0.0.1", port: int = 0) -> Server:
    """A server that is bound and filled with data; call its `serve_forever`.

    Raises:
        DataInvalid: The folder of real data cannot be read.
        OSError: The port is taken.
    """
    build = SANDBOXES[arguments.marketplace]
    accounts = [Account(number, arguments.source(number)) for number in range(arguments.accounts)]
    return Server((host, port), App(build(accounts, arguments.small_buckets), accounts).answer)
