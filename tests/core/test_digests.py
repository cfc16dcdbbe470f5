"""Digests: entries that are put, removed, stored and loaded again are remembered exactly."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.sync import digest as digests
from orchestrator.sync.digest import Digest, content_of, key_of
from tests.support.examples import examples

NAMES = st.integers(0, 400).map(str)


class Remembering(RuleBasedStateMachine):
    """A digest, its stored form, and plain dicts with the entries it should hold."""

    @initialize()
    def begin(self) -> None:
        """Small limits, so that every layout is reached."""
        self.patch = pytest.MonkeyPatch()
        for name, value in (("INLINE_ENTRIES", 20), ("BUCKET_ENTRIES", 40), ("_MERGE_AT", 30)):
            self.patch.setattr(digests, name, value)
        self.digest = Digest()
        self.inline = b""
        self.documents: dict[int, bytes] = {}
        self.truth: dict[int, int] = {}
        #: Each record's day, and the one before which they need not be remembered.
        self.days: dict[int, int] = {}
        self.oldest = 0
        self.seen: set[int] = set()
        #: Seen records that the digest has known since: their marks are stored with their entries.
        self.marked: set[int] = set()
        self.dirty = False

    @rule(
        names=st.lists(NAMES, min_size=1, max_size=60),
        content=st.integers(1, 2**64 - 1),
        day=st.integers(1, 12),
    )
    def put(self, names: list[str], content: int, day: int) -> None:
        """Remember some records."""
        for name in names:
            self.digest.put(key_of(name), content, day)
            self.truth[key_of(name)] = content
            self.days[key_of(name)] = day
        self.marked |= self.seen & set(map(key_of, names))
        self.dirty = True

    @rule(days=st.integers(1, 4))
    def days_pass(self, days: int) -> None:
        """Entries older than any later window need not be remembered any more."""
        self.oldest += days

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """Forget one."""
        self.digest.remove(key_of(name))
        self.truth.pop(key_of(name), None)
        self.seen.discard(key_of(name))
        self.marked.discard(key_of(name))
        self.dirty = True

    @rule(names=st.lists(NAMES, max_size=25))
    def see(self, names: list[str]) -> None:
        """A scan lists some records."""
        for key in map(key_of, names):
            self.digest.see(key)
            self.seen.add(key)
            if self.digest.get(key) is not None:
                self.marked.add(key)

    @rule()
    def store(self) -> None:
        """A page's commit."""
        self.inline, written = self.digest.stage(oldest_day=self.oldest)
        self.documents |= written
        self.dirty = False

    @rule()
    def regrow(self) -> None:
        """Full documents are spread over more, while everything is stored."""
        if self.dirty:
            self.store()
        if self.digest.is_outgrown:
            self.documents, self.inline = self.digest.regrow(), b""

    @rule()
    def load(self) -> None:
        """Another invocation loads the stored form; a page that was not stored is listed again."""
        self.store()
        bits = self.digest.seen_bits()
        self.digest = Digest(self.inline, [self.documents[n] for n in range(self.digest.bucket_count)])
        self.digest.restore_seen(bits)
        self.seen &= self.marked

    @invariant()
    def remembers(self) -> None:
        """Look-ups tell the truth, unlisted records are known, and only old entries may be gone."""
        if not hasattr(self, "digest"):
            return
        for key in map(key_of, map(str, range(0, 401, 13))):
            known = self.digest.get(key)
            old = self.days.get(key, 0) < self.oldest
            assert known == self.truth.get(key) or (old and known is None)
        recent = {key for key in self.truth if self.days[key] >= self.oldest}
        assert len(recent) <= len(self.digest) <= len(self.truth)
        assert set(self.digest.unseen(oldest_day=self.oldest)) == recent - self.seen

    def teardown(self) -> None:
        """Give the limits back."""
        if hasattr(self, "patch"):
            self.patch.undo()


TestRemembering = Remembering.TestCase
TestRemembering.settings = examples(150, steps=40)


def test_old_entries_are_forgotten() -> None:
    """Entries that no later window reads again are not kept."""
    digest = Digest()
    digest.put(key_of("old"), 1, 10)
    digest.put(key_of("new"), 2, 20)
    inline, _ = digest.stage(oldest_day=15)

    assert Digest(inline).get(key_of("old")) is None
    assert Digest(inline).get(key_of("new")) == 2


def test_a_record_seen_before_its_entry_grows_old_stays_seen() -> None:
    """A history found by the machine above: an entry was forgotten with its mark, and put once more."""
    history = Remembering()
    history.begin()
    history.see(names=["0"])
    history.put(names=["0"], content=1, day=1)
    history.days_pass(days=2)
    history.load()
    history.put(names=["0"], content=1, day=2)
    history.remembers()
    history.teardown()


def test_a_record_put_after_another_commit_of_its_page_stays_seen() -> None:
    """A page written in parts: the commit of its first part forgets old entries, but no marks."""
    key = key_of("edited")
    digest = Digest()
    digest.put(key, 1, 1)
    digest = Digest(digest.stage()[0])
    digest.see(key)
    digest.stage(oldest_day=2)
    digest.put(key, 2, 5)

    assert digest.unseen(oldest_day=2) == []
    assert Digest(digest.stage(oldest_day=2)[0]).unseen() == [key]


def test_what_was_seen_outlives_what_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing continued by another invocation loses no marks when old entries leave the documents."""
    monkeypatch.setattr(digests, "INLINE_ENTRIES", 10)
    digest = Digest()
    for n in range(40):
        digest.put(key_of(f"old{n}"), 1, 5)
    _, documents = digest.stage()
    for n in range(40):
        digest.put(key_of(f"new{n}"), 1, 20)
        digest.see(key_of(f"new{n}"))
    inline, written = digest.stage(oldest_day=15)
    documents |= written
    bits = digest.seen_bits()
    later = Digest(inline, [documents[n] for n in range(digest.bucket_count)])
    later.restore_seen(bits)

    assert len(later) == 40
    assert later.unseen() == []


def test_an_entry_takes_eighteen_bytes() -> None:
    """10,000 records fit one document of 180 KB."""
    digest = Digest()
    for n in range(10_000):
        digest.put(key_of(str(n)), n + 1, 0)
    inline, documents = digest.stage()

    assert inline == b""
    assert [len(packed) for packed in documents.values()] == [180_000]


def test_no_document_outgrows_firestore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two million records are spread so that no document comes near 1 MiB."""
    monkeypatch.setattr(digests, "BUCKET_ENTRIES", 3_000)
    monkeypatch.setattr(digests, "INLINE_ENTRIES", 400)
    digest = Digest()
    documents: dict[int, bytes] = {}
    for page in range(600):
        if digest.is_outgrown:
            documents |= digest.regrow()
        for n in range(200):
            digest.put(key_of(f"{page}/{n}"), 1, 0)
        inline, written = digest.stage()
        documents |= written
        assert len(inline) < 18 * 12_000

    assert len(digest) == 120_000
    assert len(documents) == digest.bucket_count == 64
    assert max(len(packed) for packed in documents.values()) < 18 * 3_500


def test_content_depends_on_the_normalizer() -> None:
    """Another version or another choice about personal data is another content."""
    assert content_of(b"{}", b"orders.1.") == content_of(b"{}", b"orders.1.")
    assert content_of(b"{}", b"orders.1.") != content_of(b"{}", b"orders.2.")
    assert content_of(b"{}", b"orders.1.") != content_of(b"{}", b"orders.1.pii")


def test_long_ids_do_not_stay_in_memory() -> None:
    """The process remembers keys, and an id of an unreadable row may have megabytes."""
    before = digests._short_key.cache_info().currsize
    assert key_of("x" * 300) != key_of("x" * 301)
    assert digests._short_key.cache_info().currsize == before
