"""Documents of Amazon's reports: hosts, encodings, columns, and unreadable documents."""

from __future__ import annotations

import gzip

import pytest

from local.sandbox.http import Reply
from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.amazon import report
from tests.marketplaces.amazon.answers import URL, document, session
from tests.support.scripted import scripted

JAPANESE = "商品名\t出品ID\t出品者SKU\r\nマグ\t1\tMUG-青\r\n"
ENGLISH = "item-name\tseller-sku\nÉcharpe\tÉ-1\n\n only one field\nMug\t\n"


@pytest.mark.parametrize(
    ("body", "content_type", "compressed", "skus"),
    [
        (
            gzip.compress(JAPANESE.encode("shift_jis"), mtime=0),
            "text/plain; charset=Shift_JIS",
            True,
            ["MUG-青"],
        ),
        (JAPANESE.encode(), 'text/plain; charset="UTF-8"', False, ["MUG-青"]),
        (b"\xef\xbb\xbf" + ENGLISH.encode(), "text/plain", False, ["É-1"]),
        (gzip.compress(ENGLISH.encode("cp1252"), mtime=0), "text/plain;charset=Cp1252", True, ["É-1"]),
        (ENGLISH.encode("cp1252"), "text/plain", False, ["É-1"]),
        (ENGLISH.encode(), "text/plain; charset=nobody-knows", False, ["É-1"]),
        (b"seller-sku\titem-name\r\n", "text/plain", False, []),
    ],
)
def test_trap_reports_differ_by_region(
    body: bytes, content_type: str, compressed: bool, skus: list[str]
) -> None:
    """In their encoding and in the names of their columns."""
    with scripted(*document(body, content_type, compressed=compressed)) as server:
        opened = session(server)
        assert report.batch(opened, "d", 0) == skus
        assert report.batch(opened, "d", 0) == skus
        assert report.batch(opened, "d", len(skus)) == []

    # The document is on another host: no access token goes there, and its signature as it is.
    assert len(server.requests) == 3
    assert server.requests[2].path == "/%2FNinetyDays/amzn1.spdoc"
    assert server.requests[2].query["X-Amz-Signature"] == ["a+b="]
    assert "x-amz-access-token" not in server.requests[2].headers


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (document(gzip.compress(ENGLISH.encode())[:-12], "text/plain"), MarketplaceUnavailable),
        (document(b"no gzip", "text/plain"), MarketplaceUnavailable),
        (document(b"a\tb\n", "text/plain", compressed=False), ResponseInvalid),
        (document(b"", "text/plain", compressed=False), ResponseInvalid),
        (document(b"", "", url="https://example.com/report?x=1"), RequestRejected),
        (document(b"", "", url="https://tortuga-prod-eu.s3.amazonaws.com.example.com/x"), RequestRejected),
        (document(b"", "", url=URL.replace("https", "http")), RequestRejected),
        ([*document(b"", "")[:2], Reply(403, b"<Error/>", "application/xml")], MarketplaceUnavailable),
    ],
)
def test_a_document_that_cannot_be_had_is_an_error(
    answers: list[Reply], kind: type[MarketplaceError]
) -> None:
    """Cut off, of another kind, on a host that is not Amazon's, or with a URL that has died."""
    with scripted(*answers) as server, pytest.raises(kind):
        report.batch(session(server), "d", 0)
