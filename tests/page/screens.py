"""The addresses of all screens of a scene."""

from __future__ import annotations

from orchestrator.operators.reject_views import list_rejects
from orchestrator.ports import Query
from tests.page.scenes import Scene


def addresses(scene: Scene) -> dict[str, str]:
    """Each screen's address, by its name; the screens of one thing only if the scene has it."""
    store = scene.world.store
    found = {
        "home": "/",
        "runs": "/runs",
        "connections": "/connections",
        "rejects": "/rejects",
        "dead": "/dead",
        "audit": "/audit",
        "error": "/runs/nobody",
    }
    runs = store.query(Query("runs", order_by="order", descending=True, limit=2))
    if runs:
        found["run"] = f"/runs/{runs[-1].id}"
    for snapshot in store.query(Query("connections", limit=100)):
        if snapshot.id in {"north-shop", "refused-0", "odd-shop", "slow-shop", "big-shop", "shop-00000"}:
            found[f"connection-{snapshot.id}"] = f"/connections/{snapshot.id}"
    if runs:
        for each in list_rejects(store).rejects[:1]:
            found["reject"] = f"/rejects/{each.connection_id}/{each.reject_id}"
    return found
