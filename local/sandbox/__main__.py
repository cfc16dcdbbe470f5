"""`python -m local.sandbox MARKETPLACE --port P …`: run one marketplace's sandbox; see README.md."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.sandbox.arguments import Arguments
from local.sandbox.registry import SANDBOXES, serve
from local.sandbox.retail import DataInvalid


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.sandbox", description=__doc__)
    parser.add_argument("marketplace", choices=sorted(SANDBOXES))
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="chooses the generated data; default: 1")
    parser.add_argument("--orders", type=int, default=1000, help="orders per account; default: 1000")
    parser.add_argument("--products", type=int, default=200, help="products per account; default: 200")
    parser.add_argument("--accounts", type=int, default=2, help="number of sellers; default: 2")
    parser.add_argument(
        "--until",
        type=_moment,
        default=datetime.now(UTC),
        help="no data is newer than this time (ISO 8601); default: now",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("SANDBOX_DATA") or None,
        help="folder of real data to serve instead of generated data; default: $SANDBOX_DATA",
    )
    parser.add_argument(
        "--buckets",
        choices=("large", "small"),
        default="large",
        help="limits on calls; small ones are soon reached; default: large",
    )
    options = parser.parse_args(argv)
    arguments = Arguments(
        marketplace=options.marketplace,
        seed=options.seed,
        orders=options.orders,
        products=options.products,
        accounts=options.accounts,
        until=options.until,
        data=options.data,
        small_buckets=options.buckets == "small",
    )
    try:
        server = serve(arguments, options.host, options.port)
    except (DataInvalid, OSError) as error:
        print(f"sandbox {options.marketplace}: {error}", file=sys.stderr)
        return 2
    print(f"sandbox {options.marketplace}: http://{options.host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
