"""The guards of a worker's memory: large answers take turns."""

from __future__ import annotations

from tests.system.guards.guard import Guard

TURNS = "tests/marketplaces/test_room.py::"
PAGES = "tests/core/test_large_pages.py::"
MEMORY_GUARDS = (
    Guard(
        "memory: a large answer is read only if there is room",
        "orchestrator/marketplaces/transport.py",
        "                if len(read) > LARGE_BYTES and not has_room():\n                    raise Crowded\n",
        "",
        TURNS + "test_one_large_answer_too_many_waits_until_another_is_done",
    ),
    Guard(
        "memory: an answer of many values is large",
        "orchestrator/marketplaces/client.py",
        "if sum(response.commas_and_brackets) > LARGE_VALUES and not self.place.take_at_once():",
        "if False:",
        TURNS + "test_an_answer_of_many_values_is_large",
    ),
    Guard(
        "memory: the answers of one page are large together",
        "orchestrator/marketplaces/client.py",
        "if is_crowded or self._page_bytes > LARGE_BYTES:",
        "if is_crowded:",
        TURNS + "test_answers_of_one_page_are_large_together",
    ),
    Guard(
        "memory: an answer with too many lists and objects is not taken apart",
        "orchestrator/marketplaces/response.py",
        "if brackets > MOST_NESTED:",
        "if False:",
        "tests/marketplaces/test_answers.py::test_an_answer_of_too_many_values_is_not_taken_apart",
    ),
    Guard(
        "memory: who gives up waiting leaves the place to the next",
        "orchestrator/room.py",
        "                self._waiting.remove(given)\n                return\n        self.leave()\n",
        "                self._waiting.remove(given)\n                return\n",
        TURNS + "test_who_gives_up_leaves_the_place_to_the_next",
    ),
    Guard(
        "memory: places are given in turn",
        "orchestrator/room.py",
        "self._waiting.popleft().set()",
        "self._waiting.pop().set()",
        TURNS + "test_places_are_given_in_turn",
    ),
    Guard(
        "memory: no page is read ahead of a large one's end",
        "orchestrator/sync/stream_sync.py",
        "self._reads_on and not self._pages.is_large:",
        "self._reads_on:",
        PAGES + "test_a_large_page_is_stored_before_the_next_is_read",
    ),
    Guard(
        "memory: a large page is stored before its place is given back",
        "orchestrator/sync/stream_sync.py",
        "which the next page gives back.\n            writer.settle()\n",
        "which the next page gives back.\n            pass\n",
        PAGES + "test_a_large_page_is_stored_before_the_next_is_read",
    ),
    Guard(
        "memory: a large page's place is given back before the next page is read",
        "orchestrator/sync/pages.py",
        "        if self._ahead is None:\n            self._place.give_back()\n",
        "",
        PAGES + "test_a_large_page_is_stored_before_the_next_is_read",
    ),
    Guard(
        "memory: an abandoned page keeps its place until its thread ends",
        "orchestrator/sync/pages.py",
        "future.add_done_callback(lambda _: self._place.give_back())",
        "self._place.give_back()",
        PAGES + "test_an_abandoned_page_keeps_its_place_until_its_thread_ends",
    ),
    Guard(
        "memory: nobody waits for the place of a page that is no longer wanted",
        "orchestrator/sync/pages.py",
        "        self._place.is_wanted = False\n",
        "",
        PAGES + "test_a_cancelled_task_does_not_wait_for_its_turn",
    ),
    Guard(
        "memory: a holder that waits for its turn shows life",
        "orchestrator/sync/pages.py",
        "                    self._show_life()\n",
        "                    pass\n",
        PAGES + "test_a_holder_that_waits_for_its_turn_shows_life",
    ),
    Guard(
        "memory: a check gives its place back",
        "orchestrator/vault/trial.py",
        "        session.client.place.give_back()\n",
        "        pass\n",
        PAGES + "test_a_check_gives_its_place_back",
    ),
)
