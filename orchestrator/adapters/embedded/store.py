"""The document store on one SQLite file, with Firestore's semantics.

A document is one MessagePack value: it tells times and bytes from text without a walk over the fields, and
encodes and decodes several times faster than tagged JSON. Queries look into it through the SQL function
`sort_key`, whose bytes order as Firestore orders values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from orchestrator.adapters.embedded.database import Database
from orchestrator.adapters.embedded.sort_keys import add_sort_key, number_of_field, sort_key
from orchestrator.errors import Conflict, StoreUnavailable, WriteRejected
from orchestrator.model.documents import MAX_COMMIT_BYTES, MAX_DOCUMENT_BYTES, document_bytes
from orchestrator.ports import Create, Delete, Document, Filter, Put, Query, Snapshot, Update, Write, Written

_APPLICATION_ID = 0x6D736463  # "msdc": marketplace-sync documents
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE documents (
    collection TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (collection, id)
);
-- One number for all commits: a document that is deleted and made again never repeats a version.
CREATE TABLE commits (version INTEGER NOT NULL);
INSERT INTO commits VALUES (0);
-- For the queries of dispatch, heal and the close check: every tick asks them, over any number of documents.
CREATE INDEX connections_due
    ON documents (collection, sort_key(body, 'marketplace'), sort_key(body, 'status'), id)
    WHERE collection = 'connections';
CREATE INDEX leases_over ON documents (collection, sort_key(body, 'lease.expires_at'), id)
    WHERE collection = 'sync_state';
CREATE INDEX shards_open ON documents (collection, sort_key(body, 'open'), id)
    WHERE collection GLOB 'runs/*/shards';
CREATE INDEX runs_open ON documents (collection, sort_key(body, 'status'), id) WHERE collection = 'runs';
-- For operators. A file of an earlier release lacks them: there such a query reads all documents.
CREATE INDEX tasks_by_connection
    ON documents (sort_key(body, 'connection_id'), sort_key(body, 'finished_at'), collection, id)
    WHERE collection GLOB '*/tasks';
CREATE INDEX rejects_by_connection ON documents (sort_key(body, 'connection_id'), collection, id)
    WHERE collection GLOB '*/rejects';
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

#: MessagePack may be this many times smaller than Firestore's own count of a value's bytes.
_MAX_COMPRESSION = 9
_OPERATORS = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class SqliteStore:
    """The DocumentStore port; safe for threads, processes and forks.

    Args:
        path: The file; made with its directory on first use.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(
            path,
            application_id=_APPLICATION_ID,
            schema=_SCHEMA,
            schema_version=_SCHEMA_VERSION,
            unavailable=StoreUnavailable,
            prepare=add_sort_key,
        )

    def close(self) -> None:
        """Close the file's idle connections."""
        self._database.close()

    def get(self, path: str) -> Snapshot | None:
        """Read one document."""
        with self._database.read() as connection:
            return _read(connection, path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Read several documents as of one moment."""
        with self._database.read() as connection:
            connection.execute("BEGIN")
            snapshots = [_read(connection, path) for path in paths]
            connection.execute("COMMIT")
        return snapshots

    def query(self, query: Query) -> list[Snapshot]:
        """Read some documents of a collection in order; a field without an index costs a scan."""
        if query.group:
            return self._query_group(query)
        conditions, values = _conditions(query.collection, query.where)
        order_by, after = query.sort_field, query.after
        direction, beyond = (" DESC", "<") if query.descending else ("", ">")
        if order_by is None:
            order = f"id{direction}"
            if after is not None:
                conditions.append(f"id {beyond} ?")
                values.append(after[0])
        else:
            key = _key(order_by)
            order = f"{key}{direction}, id{direction}"
            conditions.append(f"{key} IS NOT NULL")
            if after is not None:
                # Spelled out, because SQLite seeks by a row value only in plain columns.
                conditions.append(f"{key} {beyond}= ? AND ({key} {beyond} ? OR id {beyond} ?)")
                values += [sort_key(after[0]), sort_key(after[0]), after[1]]
        sql = (
            f"SELECT id, version, body FROM documents WHERE {' AND '.join(conditions)}"  # noqa: S608 - values are bound
            f" ORDER BY {order} LIMIT ?"
        )
        with self._database.read() as connection:
            rows = connection.execute(sql, (*values, query.limit)).fetchall()
        return [Snapshot(f"{query.collection}/{id_}", _decode(body), version) for id_, version, body in rows]

    def _query_group(self, query: Query) -> list[Snapshot]:
        """Read some documents of all collections of an id, by a field and then by path."""
        if query.sort_field is None:
            raise ValueError("a collection group is listed by a field only")
        key = _key(query.sort_field)
        wheres, values = _where(query.where)
        conditions = [_group_condition(query.collection), *wheres, f"{key} IS NOT NULL"]
        direction, beyond = (" DESC", "<") if query.descending else ("", ">")
        if query.after is not None:
            conditions.append(f"{key} {beyond}= ? AND ({key} {beyond} ? OR (collection, id) {beyond} (?, ?))")
            bound = sort_key(query.after[0])
            values += [bound, bound, *_split(query.after[1])]
        sql = (
            f"SELECT collection, id, version, body FROM documents WHERE {' AND '.join(conditions)}"  # noqa: S608 - values are bound
            f" ORDER BY {key}{direction}, collection{direction}, id{direction} LIMIT ?"
        )
        with self._database.read() as connection:
            rows = connection.execute(sql, (*values, query.limit)).fetchall()
        return [Snapshot(f"{above}/{id_}", _decode(body), version) for above, id_, version, body in rows]

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """Count documents."""
        if group:
            wheres, values = _where(where)
            conditions = [_group_condition(collection), *wheres]
        else:
            conditions, values = _conditions(collection, where)
        sql = f"SELECT count(*) FROM documents WHERE {' AND '.join(conditions)}"  # noqa: S608 - values are bound
        with self._database.read() as connection:
            (number,) = connection.execute(sql, values).fetchone()
        return int(number)

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """Add up a number; every document that fits is read."""
        conditions, values = _conditions(collection, where)
        sql = f"SELECT body FROM documents WHERE {' AND '.join(conditions)}"  # noqa: S608 - values are bound
        with self._database.read() as connection:
            found = [number_of_field(body, field) for (body,) in connection.execute(sql, values)]
        return sum(found)

    def now(self) -> datetime | None:
        """None: a file has no clock but this machine's."""
        return None

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Apply all writes or none, in one transaction."""
        if not writes:
            return []
        batch = _batch(writes)
        increments: dict[str, Mapping[str, int]] = {}
        with self._database.write() as connection:
            connection.execute("UPDATE commits SET version = version + 1")
            (version,) = connection.execute("SELECT version FROM commits").fetchone()
            size = batch.size
            for update in batch.updates:
                written, increments[update.path] = _update(connection, update, version)
                size += written
            _check_commit(size)
            if batch.creates:
                try:
                    connection.executemany(_INSERT, [(*row, version) for row in batch.creates])
                except sqlite3.IntegrityError as error:
                    raise Conflict(f"{_named(batch.creates)}: exists already") from error
            if batch.puts:
                connection.executemany(_UPSERT, [(*row, version) for row in batch.puts])
            if batch.deletes:
                connection.executemany("DELETE FROM documents WHERE collection = ? AND id = ?", batch.deletes)
        plain, deleted = Written(version, {}), Written(None, {})
        return [
            deleted
            if type(write) is Delete
            else Written(version, increments[write.path])
            if type(write) is Update
            else plain
            for write in writes
        ]


_INSERT = "INSERT INTO documents (collection, id, body, version) VALUES (?, ?, ?, ?)"
_UPSERT = (
    _INSERT + " ON CONFLICT (collection, id) DO UPDATE SET body = excluded.body, version = excluded.version"
)


class _Batch(NamedTuple):
    """A commit's writes by statement, encoded before the file is locked."""

    creates: list[tuple[str, str, bytes]]
    puts: list[tuple[str, str, bytes]]
    deletes: list[tuple[str, str]]
    updates: list[Update]
    size: int


def _batch(writes: Sequence[Write]) -> _Batch:
    batch = _Batch([], [], [], [], 0)
    size = 0
    for write in writes:
        if type(write) is Put or type(write) is Create:
            body = _body(write.path, write.data)
            size += len(body) + len(write.path)
            collection, id_ = _split(write.path)
            (batch.puts if type(write) is Put else batch.creates).append((collection, id_, body))
        elif type(write) is Delete:
            batch.deletes.append(_split(write.path))
        elif isinstance(write, Update):
            batch.updates.append(write)
    if len({write.path for write in writes}) != len(writes):
        raise ValueError("a path occurs at most once in a commit")
    _check_commit(size)
    return batch._replace(size=size)


def _body(path: str, data: Mapping[str, object]) -> bytes:
    try:
        body = _encode(data)
    except (UnicodeEncodeError, OverflowError, RecursionError) as error:
        raise WriteRejected(f"{path}: cannot be stored: {error}") from error
    # Only a document that may be too large is measured exactly: a walk costs more than the write itself.
    if len(body) * _MAX_COMPRESSION > MAX_DOCUMENT_BYTES and document_bytes(path, data) > MAX_DOCUMENT_BYTES:
        raise WriteRejected(f"{path}: is larger than a document may be ({MAX_DOCUMENT_BYTES} bytes)")
    return body


def _check_commit(size: int) -> None:
    if size > MAX_COMMIT_BYTES:
        raise WriteRejected(
            f"commit of {size} bytes: a commit may have {MAX_COMMIT_BYTES}", action="split it"
        )


def _update(connection: sqlite3.Connection, update: Update, version: int) -> tuple[int, dict[str, int]]:
    """Change one document; returns the bytes it sends and the increments' results."""
    collection, id_ = _split(update.path)
    row = connection.execute(
        "SELECT version, body FROM documents WHERE collection = ? AND id = ?", (collection, id_)
    ).fetchone()
    if row is None:
        raise Conflict(f"{update.path}: does not exist")
    if update.version is not None and row[0] != update.version:
        raise Conflict(f"{update.path}: was changed since it was read")
    data: Document = _decode(row[1])
    data.update(update.fields)
    results = {path: _increment(data, path, by) for path, by in update.increments.items()}
    body = _body(update.path, data)
    connection.execute(
        "UPDATE documents SET version = ?, body = ? WHERE collection = ? AND id = ?",
        (version, body, collection, id_),
    )
    return len(_encode(update.fields)) + len(update.path), results


def _increment(data: Document, path: str, by: int) -> int:
    """Add to the number at a dotted path; a missing value or one of another type is replaced."""
    *parents, name = path.split(".")
    for parent in parents:
        inner = data.get(parent)
        # A copy, because a field's value may be the caller's own object.
        data[parent] = dict(inner) if isinstance(inner, dict) else {}
        data = data[parent]
    value = data.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    data[name] = data[name] + by if is_number else by
    total: int = data[name]
    return total


def _split(path: str) -> tuple[str, str]:
    collection, _, id_ = path.rpartition("/")
    if not collection or not id_ or path.count("/") % 2 == 0:
        raise ValueError(f"{path!r} is not a document's path")
    return collection, id_


def _read(connection: sqlite3.Connection, path: str) -> Snapshot | None:
    row = connection.execute(
        "SELECT body, version FROM documents WHERE collection = ? AND id = ?", _split(path)
    ).fetchone()
    return None if row is None else Snapshot(path, _decode(row[0]), row[1])


def _named(rows: Sequence[tuple[str, str, bytes]]) -> str:
    collection, id_, _ = rows[0]
    return (
        f"{collection}/{id_}" if len(rows) == 1 else f"{collection}: one of {len(rows)} documents to create"
    )


def _conditions(collection: str, where: Sequence[Filter]) -> tuple[list[str], list[object]]:
    conditions: list[str] = ["collection = ?"]
    values: list[object] = [collection]
    # SQLite is sure to use a partial index if the query repeats the index's own condition.
    if collection in {"connections", "sync_state", "runs"}:
        conditions.append(f"collection = '{collection}'")
    elif collection.startswith("runs/") and collection.endswith("/shards"):
        conditions.append("collection GLOB 'runs/*/shards'")
    wheres, bound = _where(where)
    return conditions + wheres, values + bound


def _group_condition(name: str) -> str:
    """All collections of this id."""
    # Its name as text, not as a value: SQLite uses a partial index only if it sees the index's condition.
    quoted = name.replace("'", "''")
    return f"collection GLOB '*/{quoted}'"


def _where(where: Sequence[Filter]) -> tuple[list[str], list[object]]:
    """The conditions on fields, and their values."""
    conditions: list[str] = []
    values: list[object] = []
    for field, op, value in where:
        key = _key(field)
        if op == "in":
            conditions.append(f"{key} IN ({', '.join('?' * len(value))})")
            values.extend(sort_key(each) for each in value)
        else:
            bound = sort_key(value)
            conditions.append(f"{key} {_OPERATORS[op]} ?")
            values.append(bound)
            if op != "==":  # a range covers one type, named by the first byte
                conditions.append(f"{key} >= ? AND {key} < ?")
                values += [bound[:1], bytes([bound[0] + 1])]
    return conditions, values


def _key(field: str) -> str:
    quoted = field.replace("'", "''")
    return f"sort_key(body, '{quoted}')"
