"""Products of a shop as Shopify's nodes: their media, options and variants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, decimal, iso, mix

Node = dict[str, Any]
_SHOP = "https://sandbox.example.com"
_ONLY_PAGE: Node = {"hasNextPage": False, "endCursor": None}
#: Shopify writes an empty text if the seller gives none.
_VENDORS = ("Karoo Clay", "Nguni & Söhne", "", "Sandbox")
_TYPES = ("", "Kitchen", "Giftware")
_CATEGORIES: tuple[Node | None, ...] = (
    None,
    {
        "id": "gid://shopify/TaxonomyCategory/hg-11-10",
        "fullName": "Home & Garden > Kitchen & Dining > Tableware",
    },
)
_MEDIA = (0, 1, 1, 3, 3, 3, 6, 12)
_WEIGHTS: tuple[Node | None, ...] = (
    None,
    {"value": 0.0, "unit": "KILOGRAMS"},
    {"value": 0.35, "unit": "KILOGRAMS"},
    {"value": 120.0, "unit": "GRAMS"},
    {"value": 1.1, "unit": "POUNDS"},
    {"value": 12.5, "unit": "OUNCES"},
)
_SIZES = 50
_DESCRIPTION = (
    "<style>p{color:red}</style><p>Made by hand.</p>\n<p>Light &amp; <b>strong</b>.</p>"
    "<script>alert(1)</script>"
)
#: The same as text.
DESCRIPTION = "Made by hand.\nLight & strong."


@dataclass(frozen=True)
class Shown:
    """An item with everything that Shopify tells of it."""

    item: Item

    @cached_property
    def dice(self) -> int:
        """Decides about the product's kind."""
        return mix(self.item.id, 21)

    @property
    def vendor(self) -> str:
        """The brand."""
        return _VENDORS[self.dice & 3]

    @property
    def type(self) -> str:
        """The seller's own category."""
        return _TYPES[self.dice % len(_TYPES)]

    @property
    def category(self) -> Node | None:
        """Its place in Shopify's taxonomy."""
        return _CATEGORIES[self.dice >> 2 & 1]

    @property
    def description(self) -> str:
        """As HTML."""
        return _DESCRIPTION if self.dice >> 3 & 3 else ""

    @property
    def url(self) -> str | None:
        """Its page; None if the online store does not show it."""
        return f"{_SHOP}/products/product-{self.item.id}" if self.is_published else None

    @property
    def is_published(self) -> bool:
        """Whether the online store shows it."""
        return self.item.status == "active" and self.dice >> 5 & 7 > 0

    @property
    def tags(self) -> list[str]:
        """As Shopify sorts them, by letters of any case."""
        return ["Clay", "handmade", "VIP"] if self.dice >> 8 & 1 else []

    @property
    def media(self) -> list[Node]:
        """Images, with a video among several and one that is not processed yet."""
        count = _MEDIA[self.dice >> 13 & 7]
        return [self._medium(number) for number in range(count)]

    @property
    def images(self) -> list[str]:
        """The addresses of the images that can be seen."""
        return [each["image"]["url"] for each in self.media if each.get("image")]

    def _medium(self, number: int) -> Node:
        kind = "Video" if number == 1 else "MediaImage"
        node: Node = {"id": f"gid://shopify/{kind}/{self.item.id * 100 + number}"}
        if kind == "Video":
            return node | {"mediaContentType": "VIDEO", "duration": 30_000}
        url = f"{_SHOP}/files/{self.item.id}-{number}.jpg?v={self.item.created}"
        image = None if number == 2 else {"url": url, "altText": None}
        return node | {"mediaContentType": "IMAGE", "image": image}

    def choices(self, number: int) -> list[tuple[str, str]]:
        """The options of a variant; Shopify invents one for a product without any."""
        if self.item.variants == 1:
            return [("Title", "Default Title")]
        return [("Size", f"No. {number % _SIZES + 1}"), ("Colour", f"Shade {number // _SIZES + 1}")]

    def cost(self, number: int) -> int | None:
        """The cost of a variant in cents; None without the permission to see it."""
        return (self.item.price * 6 // 10 + number) if self.dice >> 11 & 3 else None

    def image(self, number: int) -> list[Node]:
        """The medium that shows a variant; most show none of their own."""
        media = self.media
        return [media[number % len(media)]] if media and mix(self.item.id, number) & 1 else []


def product(account: Account, item: Item) -> Node:
    """A product; its media and variants are lists, not connections."""
    shown = Shown(item)
    variants = [variant(account, item, number) for number in range(item.variants)]
    return {
        "id": f"gid://shopify/Product/{item.id}",
        "legacyResourceId": str(item.id),
        "title": item.title,
        "handle": f"product-{item.id}",
        "status": item.status.upper(),
        "vendor": shown.vendor,
        "productType": shown.type,
        "descriptionHtml": shown.description,
        "tags": shown.tags,
        "category": shown.category,
        "onlineStoreUrl": shown.url,
        "createdAt": iso(item.created),
        "updatedAt": iso(item.updated),
        "publishedAt": iso(item.created) if shown.is_published else None,
        "options": lambda first=None: _options(shown)[:first],
        "media": shown.media,
        "variantsCount": {"count": item.variants},
        "variants": variants,
    }


def _options(shown: Shown) -> list[Node]:
    chosen: dict[str, dict[str, None]] = {}
    for number in range(shown.item.variants):
        for name, value in shown.choices(number):
            chosen.setdefault(name, {})[value] = None
    return [
        {"id": f"gid://shopify/ProductOption/{shown.item.id * 10 + at}", "name": name, "position": at + 1}
        | {"values": list(values)}
        for at, (name, values) in enumerate(chosen.items())
    ]


def variant(account: Account, item: Item, number: int) -> Node:
    """A variant of a product."""
    shown = Shown(item)
    dice = mix(item.id, number, 22)
    cost = shown.cost(number)
    money = None if cost is None else {"amount": decimal(cost), "currencyCode": account.currency}
    return {
        "id": f"gid://shopify/ProductVariant/{variant_id(item, number)}",
        "product": {"id": f"gid://shopify/Product/{item.id}"},
        "sku": sku(item, number),
        "barcode": item.barcode if number == 0 else None,
        "title": " / ".join(value for _, value in shown.choices(number)),
        "price": decimal(item.price),
        "compareAtPrice": None if item.list_price is None else decimal(item.list_price),
        "taxable": dice & 7 > 0,
        "inventoryPolicy": "CONTINUE" if dice >> 3 & 7 == 0 else "DENY",
        "selectedOptions": [{"name": name, "value": value} for name, value in shown.choices(number)],
        "media": lambda **_: {"nodes": shown.image(number), "pageInfo": _ONLY_PAGE},
        "inventoryItem": {
            "id": f"gid://shopify/InventoryItem/{variant_id(item, number)}",
            "sku": sku(item, number),
            "tracked": True,
            "requiresShipping": dice >> 6 & 7 > 0,
            "unitCost": money,
            "measurement": {"weight": _WEIGHTS[dice % len(_WEIGHTS)]},
        },
    }


def variant_id(item: Item, number: int) -> int:
    """The number of a variant, and of its inventory item."""
    return item.id * 100 + number


def sku(item: Item, number: int) -> str:
    """The SKU of a variant."""
    return f"{item.sku}-{number}" if number else item.sku
