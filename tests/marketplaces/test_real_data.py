"""Real data: an extract with every oddity of the data set, and the whole of it if it is there."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.sandbox.catalogue import Sale
from local.sandbox.retail import DataInvalid, Retail
from orchestrator.marketplaces.registry import REGISTRY
from tests.marketplaces.conformance.record_rules import amounts_add_up, fields_agree
from tests.marketplaces.test_completeness import assert_holds
from tests.support.project import ROOT
from tests.support.scripted import Sandbox, read, sandbox, told

ALL = sorted(REGISTRY)
#: A folder that SANDBOX_DATA names has to be there.
REAL_DATA = Path(os.environ.get("SANDBOX_DATA") or ROOT.parent / "shared" / "data")
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
#: Lines of odd orders, by the letter that begins the order's number: code, title, quantity, price.
ODDITIES: dict[str, list[list[str]]] = {
    "": [
        # Two spaces beside a sign that HTML escapes, signs that look like HTML, and no title at all.
        ["21352,EUCALYPTUS & PINECONE  WREATH,3,3.25", '22138,"12"" TRAY  <3 & ""A&B""",1,0.07'],
        ["71053,,6,0.00"],
        # A correction beside goods, and more of it than of goods.
        ["22633,HAND WARMER,2,2.10", "D,Discount,-1,1.37"],
        ["22633,HAND WARMER,1,2.10", "M,Manual,-1,99.99"],
        ["B,Adjust bad debt,1,-11062.06"],
        ["85123A,? sold as sets?/  dotcom,-20,0.00"],
        ["POST,POSTAGE,74215,1.04"],
    ],
    "C": [
        ["22633,HAND WARMER,-1,2.10", "22622,BOX OF VINTAGE ALPHABET BLOCKS,-6,11.95"],
        ["22262,FELT EGG COSY CHICKEN,-1,0.85"],
        ["D,Discount,-1,27.50"],
    ],
}


def reads_the_truth(running: Sandbox, *, with_buyer: bool) -> dict[str, dict[str, Any]]:
    """Read all; the records, also those with all details, are the truth, and their amounts add up.

    Returns:
        The orders of the truth.
    """
    opened = running.session(store_buyer_pii=with_buyer)
    truth = running.truth()
    for name, stream in running.connector.streams.items():
        found = read(running.connector, opened, name, whole=True)
        assert not found.rejects
        assert stream.complete is None or not any(record.warnings for record in found.records.values())
        assert_holds(told(list(found.records.values())), truth[name])
        for record in found.records.values():
            amounts_add_up(record)
            fields_agree(record)
    return truth["orders"]


def test_real_data_keeps_its_oddities(tmp_path: Path) -> None:
    """Cancellations, negative quantities and zero prices stay as in the file."""
    lines = [
        "C536379,D,Discount,-1,2010-12-01T09:41:00,27.50,14527,United Kingdom",
        "536365,85123A,WHITE HANGING HEART,6,2010-12-01T08:26:00,2.55,17850,United Kingdom",
        "536365,71053,,6,2010-12-01T08:26:00,0.00,,United Kingdom",
        "A563187,B,Adjust bad debt,1,2010-12-02T14:52:00,-11062.06,,United Kingdom",
    ]
    with gzip.open(tmp_path / "some.csv.gz", "wt") as file:
        file.write(HEADER + "\n".join(lines) + "\n")
    until = datetime(2026, 11, 23, 12, tzinfo=UTC)
    sales: dict[str, Sale] = {}
    for marketplace in ("amazon", "ebay", "shopify", "takealot", "woocommerce"):
        source = Retail(tmp_path, marketplace, 0, 1, sales=10, items=10, until=int(until.timestamp()))
        sales |= {source.sale(index).number: source.sale(index) for index in range(source.sales)}

    assert sales.keys() == {"C536379", "536365", "A563187"}
    assert (sales["C536379"].state, sales["C536379"].lines[0].quantity) == ("cancelled", -1)
    assert [line.price for line in sales["536365"].lines] == [255, 0]
    assert sales["A563187"].lines[0].price == -1_106_206
    # 14:52 would be later than noon: the last invoice falls on the day before.
    assert datetime.fromtimestamp(sales["A563187"].created, UTC) == datetime(2026, 11, 22, 14, 52, tzinfo=UTC)
    assert sales["536365"].created < sales["C536379"].created < until.timestamp() - 86_400
    assert len({sale.id for sale in sales.values()}) == 3
    with pytest.raises(DataInvalid):
        Retail(tmp_path / "none", "shopify", 0, 1, sales=1, items=1, until=0)


@pytest.mark.parametrize("with_buyer", [False, True])
@pytest.mark.parametrize("marketplace", ALL)
def test_odd_orders_are_read_as_they_are(marketplace: str, tmp_path: Path, with_buyer: bool) -> None:
    """Each oddity of the data, in many orders: their ids choose taxes, discounts, shipping and parcels."""
    kinds = [(letter, lines) for letter, orders in ODDITIES.items() for lines in orders]
    rows = []
    for number in range(1000):
        letter, lines = kinds[number % len(kinds)]
        for line in lines:
            code, rest = line.split(",", 1)
            title, quantity, price = rest.rsplit(",", 2)
            at = f"2010-12-01T{number // 60 % 24:02d}:{number % 60:02d}:00"
            rows.append(f"{letter}{536_000 + number},{code},{title},{quantity},{at},{price},{number},France")
    (tmp_path / "odd.csv").write_text(HEADER + "\n".join(rows) + "\n")
    with sandbox(marketplace, orders=400, products=50, data=tmp_path) as running:
        orders = reads_the_truth(running, with_buyer=with_buyer)

    assert len(orders) > 80


@pytest.mark.long
@pytest.mark.skipif(
    not os.environ.get("SANDBOX_DATA") and not REAL_DATA.is_dir(),
    reason="the real data set is no part of the project, and SANDBOX_DATA names no folder",
)
@pytest.mark.parametrize("marketplace", ALL)
def test_the_real_data_set_is_read_whole(marketplace: str) -> None:
    """Every order and product is read, the records equal the sandbox's truth, and their amounts add up."""
    with sandbox(marketplace, orders=400, products=5000, data=REAL_DATA) as running:
        orders = reads_the_truth(running, with_buyer=False)

    assert len(orders) == 400
    assert any(held["status"] == "cancelled" for held in orders.values())
    assert any(quantity < 0 for held in orders.values() for quantity in held["quantities"])
