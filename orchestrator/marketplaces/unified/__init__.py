"""The one way by which connectors make records: they give facts, and all derivations are made here.

A connector reads its row with `Details`, and passes the facts on:

    details = Details()
    facts = OrderFacts(id=..., payment="paid", fulfillment="unfulfilled", released=True, lines=..., ...)
    return order_of(facts, details, with_buyer=with_buyer)

It gives parts (lines, parcels, refunds, variants) as the record's own structs, in any order and with texts
as the marketplace sent them. The builders clean and cut texts, sort lists, and fill in the fields that
follow from others. So a derivation is alike for all marketplaces.

- `facts`: the facts that a connector can give.
- `orders`, `products`, `levels`: from facts to records.
- `statuses`: the statuses of an order. `breakdown`: its amounts.
- `texts`: cleaning, limits, and plain text from HTML. `barcodes`: the kinds of article numbers.
"""
