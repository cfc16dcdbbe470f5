"""The effects of the buttons. The first click describes the effect, the second confirms it."""

from __future__ import annotations

import secrets
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import flask

from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.operators import dead_letters, pause
from orchestrator.operators.acting import bulk
from orchestrator.operators.dead_letters import Effect, Report, Wanted
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.rejects.forget import forget_reject
from orchestrator.operators.rejects.retry import retry_rejects
from orchestrator.operators.sellers.checking import check
from orchestrator.page.buttons import which_fields
from orchestrator.page.connection_screens import which_of
from orchestrator.page.context import Context, context, session
from orchestrator.page.guard import Notice
from orchestrator.runs.cancel import cancel_run
from orchestrator.runs.start import Started, TriggerRequest, retry_run, start_manual

blueprint = flask.Blueprint("actions", __name__)
Form = Mapping[str, str]
#: Lines of a result.
_LINES = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The effect of a click, before it happens."""

    title: str
    #: The effects, a sentence each.
    sentences: tuple[str, ...]
    #: The same on the command line, without the program's name.
    command: str
    #: The second button's label.
    button: str
    is_danger: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """An action."""

    plan: Callable[[Context, Form], Plan]
    #: Does it; returns the notice of it, and the address of the next screen.
    do: Callable[[Context, Form], tuple[Notice, str]]


@blueprint.post("/act/<name>")
def act(name: str) -> flask.typing.ResponseReturnValue:
    """Ask for a confirmation, or act."""
    page, form = context(), flask.request.form
    chosen = ACTS.get(name)
    if chosen is None:
        raise NotFound(f"no action {name!r}")
    if form.get("confirmed") != "yes":
        fields = [(key, value) for key, value in form.items() if key not in {"csrf", "confirmed", "key"}]
        return flask.render_template(
            "confirm.html", plan=chosen.plan(page, form), name=name, fields=fields, key=secrets.token_hex(16)
        )
    session().notice, place = chosen.do(page, form)
    return flask.redirect(place, 303)


def _plan_pause(_: Context, form: Form) -> Plan:
    name = _connection(form)
    sentences = ("Runs leave it out. A worker that has it stops at its next commit; nothing is lost.",)
    return Plan(f"Pause {name}?", sentences, f"connections pause {name}", "Pause")


def _pause(page: Context, form: Form) -> tuple[Notice, str]:
    name = _connection(form)
    pause.pause(page.services, name, by=page.actor)
    return Notice(f"{name} is paused."), _connection_url(name)


def _plan_resume(_: Context, form: Form) -> Plan:
    name = _connection(form)
    return Plan(
        f"Resume {name}?",
        ("It takes part in runs again, from its checkpoints.",),
        f"connections resume {name}",
        "Resume",
    )


def _resume(page: Context, form: Form) -> tuple[Notice, str]:
    name = _connection(form)
    pause.resume(page.services, name, by=page.actor)
    return Notice(f"{name} is active; the next run syncs it."), _connection_url(name)


def _plan_check(_: Context, form: Form) -> Plan:
    name = _connection(form)
    sentences = ("One authenticated call to its marketplace tells whether the credential works.",)
    return Plan(f"Check {name}?", sentences, f"connections check {name}", "Check")


def _check(page: Context, form: Form) -> tuple[Notice, str]:
    name = _connection(form)
    account = check(page.services, name, by=page.actor)
    return Notice(f"{name}: the marketplace answers: {account}"), _connection_url(name)


def _plan_trigger(_: Context, form: Form) -> Plan:
    name, full = _connection(form), form.get("full") == "yes"
    what = "It reads the changes."
    if full:
        what = "It reads everything again from the beginning and writes every record: that takes its time."
    command = f"trigger {name}" + (" --full" if full else "")
    title = f"Read {name} again from the beginning?" if full else f"Start a run of {name}?"
    return Plan(title, (what,), command, "Start", is_danger=full)


def _trigger(page: Context, form: Form) -> tuple[Notice, str]:
    request = TriggerRequest(connection_ids=[_connection(form)], full=form.get("full") == "yes")
    return _started(start_manual(page.services, request, by=page.actor, idempotency_key=_key(page, form)))


def _plan_rejects(_: Context, form: Form) -> Plan:
    name = _connection(form)
    sentences = (
        "A run reads the streams that have rejects from the beginning and writes every record.",
        "A record that is understood now is stored, and its reject goes.",
    )
    return Plan(f"Read the rejects of {name} again?", sentences, f"rejects retry {name}", "Start")


def _rejects(page: Context, form: Form) -> tuple[Notice, str]:
    return _started(retry_rejects(page.services, _connection(form), by=page.actor).run)


def _plan_forget(_: Context, form: Form) -> Plan:
    name, reject_id = _connection(form), _named(form, "reject_id")
    sentences = (
        "It is removed with its raw record. That is right if the marketplace no longer lists the record.",
        "A record that is listed after all is rejected again when it changes.",
    )
    command = f"rejects forget {shlex.quote(name)} {shlex.quote(reject_id)}"
    return Plan(f"Forget reject {reject_id} of {name}?", sentences, command, "Forget", is_danger=True)


def _forget(page: Context, form: Form) -> tuple[Notice, str]:
    name, reject_id = _connection(form), _named(form, "reject_id")
    forget_reject(page.services, name, reject_id, by=page.actor)
    return Notice(f"Reject {reject_id} of {name} is forgotten."), flask.url_for("connections.rejects")


def _plan_cancel(_: Context, form: Form) -> Plan:
    run_id = _run(form)
    sentences = ("Open tasks stop at their next page, and the next run continues from their checkpoints.",)
    return Plan(f"Cancel run {run_id}?", sentences, f"runs cancel {run_id}", "Cancel the run", is_danger=True)


def _cancel(page: Context, form: Form) -> tuple[Notice, str]:
    asked = cancel_run(page.services, _run(form), by=page.actor)
    told = "is asked to stop; it is cancelled when its last task is over."
    return Notice(f"Run {asked.run_id} {told}"), _run_url(asked.run_id)


def _plan_retry(_: Context, form: Form) -> Plan:
    run_id = _run(form)
    sentences = ("A new run covers the failed and skipped tasks of this one.",)
    return Plan(f"Retry run {run_id}?", sentences, f"runs retry {run_id}", "Retry")


def _retry(page: Context, form: Form) -> tuple[Notice, str]:
    return _started(retry_run(page.services, _run(form), by=page.actor))


def _plan_replay(page: Context, form: Form) -> Plan:
    wanted = _wanted(form)
    report = dead_letters.look(page.services, page.dead_letters(), wanted)
    options = [
        f" --connection {wanted.connection_id}" if wanted.connection_id else "",
        f" --run {wanted.run_id}" if wanted.run_id else "",
        " --discard-unreadable" if wanted.discard_unreadable else "",
    ]
    return Plan(
        f"Replay {plural(len(report.letters), 'dead letter')}?",
        (_effects(report, "to be"), "It takes a second for each twenty of them."),
        f"dead replay --execute{''.join(options)}",
        "Replay",
        is_danger=wanted.discard_unreadable,
    )


def _replay(page: Context, form: Form) -> tuple[Notice, str]:
    report = dead_letters.replay(page.services, page.dead_letters(), _wanted(form), by=page.actor)
    lines = [f"new run {run.run_id} of {plural(run.tasks, 'connection')}" for run in report.started]
    more = " There may be more." if report.more else ""
    told = f"Replayed: {_effects(report, '')}{more}"
    return Notice(told, tuple(lines[:_LINES])), flask.url_for("screens.dead")


def _plan_all(title: str, sentence: str, button: str, command: str = "") -> Callable[[Context, Form], Plan]:
    """The plan of an act on many; `command` is the same on the command line, if it has it."""

    def plan(page: Context, form: Form) -> Plan:
        which = which_of(form)
        found = bulk.find(page.services, which)
        fit = "or more fit" if found.next_after is not None else "fits" if len(found.views) == 1 else "fit"
        told = f"{plural(len(found.views), 'connection')} {fit}: {_filter_words(form)}."
        return Plan(title, (told, sentence), f"{command} {_options(form)}" if command else "", button)

    return plan


def _pause_all(page: Context, form: Form) -> tuple[Notice, str]:
    return _outcome("paused", bulk.pause_all(page.services, which_of(form), by=page.actor), form)


def _resume_all(page: Context, form: Form) -> tuple[Notice, str]:
    return _outcome("resumed", bulk.resume_all(page.services, which_of(form), by=page.actor), form)


def _check_all(page: Context, form: Form) -> tuple[Notice, str]:
    return _outcome("answered", bulk.check_all(page.services, which_of(form), by=page.actor), form)


def _trigger_all(page: Context, form: Form) -> tuple[Notice, str]:
    return _started(
        bulk.trigger_all(
            page.services,
            which_of(form),
            by=page.actor,
            full=form.get("full") == "yes",
            idempotency_key=_key(page, form),
        )
    )


def _outcome(word: str, outcome: bulk.Outcome, form: Form) -> tuple[Notice, str]:
    more = " More fit: do it again for the next ones." if outcome.more else ""
    failed = f", {len(outcome.failed):,} failed" if outcome.failed else ""
    lines = [f"{name}: {told}" for name, told in (*outcome.failed.items(), *outcome.done.items()) if told]
    notice = Notice(
        f"{len(outcome.done):,} {word}{failed}.{more}", tuple(lines[:_LINES]), bool(outcome.failed)
    )
    return notice, flask.url_for("connections.many", **_parameters(form))


def _parameters(form: Form) -> dict[str, Any]:
    return {**which_fields(which_of(form))}


def _started(started: Started) -> tuple[Notice, str]:
    again = " was started before" if started.duplicate else " is started"
    return Notice(f"Run {started.run_id}{again}, over {plural(started.tasks, 'connection')}."), _run_url(
        started.run_id
    )


def _effects(report: Report, verb: str) -> str:
    counts = Counter(letter.effect for letter in report.letters)
    words = {
        Effect.PUBLISH: "published again",
        Effect.NEW_RUN: "worked on by new runs",
        Effect.REMOVE: "only removed",
        Effect.KEEP: "kept",
    }
    told = [f"{counts[effect]:,} {verb} {word}" for effect, word in words.items() if counts[effect]]
    return f"{', '.join(' '.join(each.split()) for each in told) or 'nothing'}."


def _filter_words(form: Form) -> str:
    told = [
        f"{name} {form[name]}"
        for name in ("organization", "marketplace", "status", "cause")
        if form.get(name)
    ]
    return ", ".join(told) or "all"


def _options(form: Form) -> str:
    """The filter on the command line, where an act itself implies the status."""
    named = [name for name in ("organization", "marketplace", "cause") if form.get(name)]
    return " ".join(f"--{name} {shlex.quote(form[name])}" for name in named) or "--all"


def _wanted(form: Form) -> Wanted:
    return Wanted(
        connection_id=form.get("connection_id") or None,
        run_id=form.get("run_id") or None,
        discard_unreadable=form.get("discard_unreadable") == "yes",
    )


def _key(page: Context, form: Form) -> str:
    """The same for each repetition of one confirmation, so that a second click starts no second run."""
    return ids.key_of(page.actor.name, f"page {form.get('key') or secrets.token_hex(16)}")


def _connection(form: Form) -> str:
    return _named(form, "connection_id")


def _run(form: Form) -> str:
    return _named(form, "run_id")


def _named(form: Form, field: str) -> str:
    value = form.get(field, "")
    if not value:
        raise RequestError(f"{field} is missing")
    return value


def _connection_url(connection_id: str) -> str:
    return flask.url_for("connections.one", connection_id=connection_id)


def _run_url(run_id: str) -> str:
    return flask.url_for("screens.run", run_id=run_id)


#: By the name in the address.
ACTS = {
    "check": Act(_plan_check, _check),
    "pause": Act(_plan_pause, _pause),
    "resume": Act(_plan_resume, _resume),
    "trigger": Act(_plan_trigger, _trigger),
    "retry-rejects": Act(_plan_rejects, _rejects),
    "forget-reject": Act(_plan_forget, _forget),
    "retry": Act(_plan_retry, _retry),
    "cancel": Act(_plan_cancel, _cancel),
    "replay": Act(_plan_replay, _replay),
    "check-all": Act(
        _plan_all("Check them?", f"At most {bulk.MOST_CHECKS} are checked, one call each.", "Check"),
        _check_all,
    ),
    "pause-all": Act(
        _plan_all(
            "Pause them?",
            f"At most {bulk.MOST} active ones are paused; runs leave them out.",
            "Pause",
            "connections pause",
        ),
        _pause_all,
    ),
    "resume-all": Act(
        _plan_all(
            "Resume them?",
            f"At most {bulk.MOST} paused ones are resumed, from their checkpoints.",
            "Resume",
            "connections resume",
        ),
        _resume_all,
    ),
    "trigger-all": Act(
        _plan_all("Start a run of them?", "Only active ones take part. It reads the changes.", "Start"),
        _trigger_all,
    ),
}
