"""The API of one WooCommerce site: settings, credential, session, and the obstacles of hosts and plugins.

- Keys go into the `Authorization` header. Some servers drop it, and WordPress treats the caller as a visitor
  (401 `woocommerce_rest_cannot_view`): then the keys are sent as parameters for the rest of the session.
- Without pretty permalinks `/wp-json/` is a web page's 404, and `/?rest_route=` answers.
- PHP notices or a byte order mark can precede the JSON, and comments of caches can follow it.
- A redirect is never followed: it would send the keys to a host that nobody configured.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE, mended, only_value
from orchestrator.errors import CredentialsRejected, RequestRejected, ResponseInvalid
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.client import Client, Errors, Response
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import Access, Scope, Session
from orchestrator.ports import Clock

T = TypeVar("T")
#: The sources of parcels.
Tracking = Literal["core", "shipment_tracking"]
#: WooCommerce's own calls; extensions have namespaces of their own.
_API = "wc/v3"


class _Moved(ResponseInvalid):
    """The site has another address."""


class _HeaderDropped(CredentialsRejected):
    """WordPress saw no valid key."""


class _NothingThere(RequestRejected):
    """No WordPress, or one without pretty permalinks."""


class NoRoute(RequestRejected):
    """WordPress answers, and has no such call."""


class InvalidParameter(RequestRejected):
    """A parameter or a value that this version of WooCommerce does not accept."""


#: The meaning of redirects, and of WordPress's names of errors.
ERRORS: Errors = {
    **dict.fromkeys((301, 302, 303, 307, 308), _Moved),
    "no_api": _NothingThere,
    "woocommerce_rest_cannot_view": _HeaderDropped,
    "rest_no_route": NoRoute,
    "rest_invalid_param": InvalidParameter,
}


class SiteSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    site: Annotated[str, Meta(description="The shop's address, https://host[/path], without /wp-json.")]
    tracking: Annotated[
        Tracking | None,
        Meta(
            description="The source of parcels, by one call for each changed completed order: `core` is "
            "WooCommerce's own order fulfillments, a feature that is off by default; `shipment_tracking` is "
            "the extension Shipment Tracking. Without this setting no parcels are read."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse a text that is not a site's address, or that would send the keys unencrypted."""
        parts = urlsplit(self.site)
        is_plain = not (parts.username or parts.query or parts.fragment or "/wp-json" in parts.path)
        if parts.scheme != "https" or not parts.hostname or not is_plain or not self.site.isascii():
            raise ValueError("site takes the shop's address as https://host[/path], without /wp-json")
        _ = parts.port


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    consumer_key: Annotated[str, Meta(description="Consumer key of the REST API key, `ck_…`.")]
    consumer_secret: Annotated[str, Meta(description="Consumer secret of that key, `cs_…`; shown only once.")]

    def __post_init__(self) -> None:
        """Refuse texts that WooCommerce never issues."""
        if not re.fullmatch(r"ck_[!-9;-~]+", self.consumer_key) or not re.fullmatch(
            r"cs_[!-~]+", self.consumer_secret
        ):
            raise ValueError("takes consumer_key (ck_…) and consumer_secret (cs_…) as WooCommerce shows them")

    @property
    def basic(self) -> FixedHeader:
        """Both keys in the header that the documentation prefers."""
        pair = f"{self.consumer_key}:{self.consumer_secret}".encode()
        return FixedHeader("Authorization", f"Basic {b64encode(pair).decode()}")


ACCESS = Access(
    menu_path=("WordPress admin", "WooCommerce", "Settings", "Advanced", "REST API", "Add key"),
    scopes_are="permission",
    scopes=(
        Scope("Read", "all calls, for a user who manages the shop", ("orders", "products", "inventory")),
    ),
    lifetime="A key does not expire; it ends with its WordPress user or when it is revoked.",
    sources=("https://developer.woocommerce.com/docs/apis/rest-api/authentication/",),
)


class _Identified(msgspec.Struct):
    id: int


class _Error(msgspec.Struct):
    #: A text, if WordPress has written it.
    code: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(slots=True)
class Site:
    """A site, and the session's findings about it."""

    #: Without a slash at its end.
    address: str
    credential: Credential = field(repr=False)
    clock: Clock
    #: Whether keys must be sent as parameters.
    keys_in_query: bool = False
    #: Whether only `/?rest_route=` answers.
    plain_permalinks: bool = False
    #: Whether it cannot filter by modification time.
    is_old: bool = False
    #: The currency of the prices, once it is known.
    currency: str | None = None
    #: The source of parcels; None if they are not wanted.
    tracking: Tracking | None = None
    #: Whether the site has no call for parcels.
    has_no_tracking: bool = False
    #: Whether the site has no call for the refunds of several orders.
    has_no_refunds: bool = False
    #: The unit of weights, once it is known; empty if the site refuses to tell it.
    weight_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a listing."""

    rows: list[msgspec.Raw]
    #: The number of rows asked for.
    asked: int
    #: The number of rows in the whole listing; None if a proxy has removed the header.
    total: int | None


def error_code(response: Response) -> str | None:
    """WordPress's name of an error; a redirect's target; `no_api` for a web page's 404."""
    if 300 <= response.status < 400:
        return f"redirect to {_target(response)}"
    try:
        code = only_value(mended(response.body), _Error).code
    except UNREADABLE:
        return "no_api" if response.status == 404 else None
    word = re.fullmatch(rb'"([a-z0-9_]{1,80})"', bytes(code))
    return word[1].decode() if word else None


def open_session(request: SessionRequest) -> Session[Site]:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(request, SiteSettings)
    credential = read_credential(request, Credential)
    client = Client(
        request,
        marketplace="woocommerce",
        hosts=frozenset({urlsplit(settings.site).netloc}),
        auth=credential.basic,
        errors=ERRORS,
        error_code=error_code,
        base_url=settings.base_url,
    )
    site = Site(settings.site.rstrip("/"), credential, request.clock, tracking=settings.tracking)
    return Session(client, site, request.connection.store_buyer_pii)


def ask(
    session: Session[Site],
    operation: str,
    path: str,
    kind: type[T],
    params: Sequence[tuple[str, str]] = (),
) -> T:
    """One call's answer as `kind`; `path` is below `wc/v3/`.

    Raises:
        MarketplaceError: One of its kinds, with the remedy.
    """
    return _ask(session, operation, f"{_API}/{path}", lambda response: response.decode(kind), params)


def list_rows(
    session: Session[Site],
    operation: str,
    path: str,
    params: Sequence[tuple[str, str]],
    size: int,
    *,
    namespace: str = _API,
) -> Listed:
    """One page of at most `size` rows; `path` is below the namespace.

    Raises:
        MarketplaceError: One of its kinds, with the remedy.
    """

    def read(response: Response) -> Listed:
        total = response.headers.get("X-WP-Total", "")
        count = int(total) if re.fullmatch(r"[0-9]{1,15}", total) else None
        return Listed(response.rows(), size, count)

    return _ask(session, operation, f"{namespace}/{path}", read, [*params, ("per_page", str(size))])


def unread(rows: Iterable[msgspec.Raw], seen: set[int]) -> list[msgspec.Raw]:
    """The rows whose ids are not among the seen ones, which they join; a row without an id is new.

    A row that comes back from the trash moves the later ones to the next page of an offset, which shows them
    again.
    """
    new = []
    for row in rows:
        try:
            found = msgspec.json.decode(row, type=_Identified).id
        except UNREADABLE:
            new.append(row)
            continue
        if found not in seen:
            seen.add(found)
            new.append(row)
    return new


def _ask(
    session: Session[Site],
    operation: str,
    route: str,
    read: Callable[[Response], T],
    params: Sequence[tuple[str, str]],
) -> T:
    site = session.settings
    while True:
        url, sent = f"{site.address}/wp-json/{route}", [*params]
        if site.plain_permalinks:
            url, sent = f"{site.address}/", [("rest_route", f"/{route}"), *params]
        if site.keys_in_query:
            sent += [
                ("consumer_key", site.credential.consumer_key),
                ("consumer_secret", site.credential.consumer_secret),
            ]
        try:
            return session.client.request(
                operation,
                url,
                read,
                params=sent,
                authenticated=not site.keys_in_query,
            )
        except _HeaderDropped as error:
            if site.keys_in_query:
                action = "store keys of a WordPress user who may view this in the connection's secret"
                raise CredentialsRejected(error.message, action=action) from None
            site.keys_in_query = True
        except _NothingThere as error:
            if site.plain_permalinks:
                site.plain_permalinks = False
                action = "put the address of the WordPress site into the connection's setting site"
                raise RequestRejected(error.message, action=action) from None
            site.plain_permalinks = True
        except NoRoute as error:
            error.action = "activate WooCommerce on this site, 3.5 or later, or correct the setting site"
            raise
        except _Moved as error:
            action = (
                "put the address it redirects to, if it is the shop's, into the connection's setting site"
            )
            raise ResponseInvalid(error.message, action=action) from None


def _target(response: Response) -> str:
    """The site that a redirect leads to: only scheme, host and the path before the API's own."""
    try:
        parts = urlsplit(response.headers.get("Location", ""))
        host = parts.netloc.rpartition("@")[2] or "another path of this host"
    except ValueError:
        return "no address"
    path, found, _ = parts.path.partition("/wp-json")
    return f"{parts.scheme or 'https'}://{host}{path if found else ''}" if parts.netloc else host
