"""How many examples a property test tries: three profiles of hypothesis, chosen with `--hypothesis-profile`.

* `check`: a tenth, the same each time; `make check`.
* `test`: the default, the same each time; `make test`.
* `fuzz`: ten times as many, other ones with each `--hypothesis-seed`; `make fuzz`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

#: Examples of a property test that asks for no number.
USUAL = 100
PROFILES = {"check": 0.1, "test": 1.0, "fuzz": 10.0}


def register() -> None:
    """Register the profiles, and load `test`."""
    for name, times in PROFILES.items():
        settings.register_profile(
            name,
            max_examples=round(USUAL * times),
            derandomize=name != "fuzz",
            print_blob=True,
            # Its time says nothing on a busy machine, and no machine remembers the failures of its last run.
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile("test")


def times() -> float:
    """How many times as many examples the chosen profile tries as `test` does."""
    return settings.default.max_examples / USUAL if settings.default is not None else 1.0


def examples(number: int, *, steps: int = 50, any_health: bool = False) -> settings:
    """The chosen profile, for a test that needs more or fewer examples than usual.

    Args:
        number: Examples under the profile `test`.
        steps: Steps of one history, for a state machine.
        any_health: Whether large inputs, or one fixture for all examples, are on purpose.
    """
    chosen = settings(max_examples=max(5, round(number * times())), stateful_step_count=steps)
    return settings(chosen, suppress_health_check=list(HealthCheck)) if any_health else chosen
