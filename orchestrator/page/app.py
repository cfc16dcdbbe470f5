"""The Flask application: the guard before each request, the headers behind it, and one form for errors."""

from __future__ import annotations

import logging
from http import HTTPStatus

import flask
from jinja2 import ChainableUndefined
from werkzeug.exceptions import HTTPException

from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    NotFound,
    NotPossible,
    QueueUnavailable,
    RateLimited,
    RequestError,
    SecretUnavailable,
    StoreUnavailable,
    SyncError,
    locate,
)
from orchestrator.page import actions, connection_screens, guard, screens, shown
from orchestrator.page.context import Context
from orchestrator.page.guard import MAX_BODY, Refused

_log = logging.getLogger(__name__)
#: The first that fits.
_STATUSES: tuple[tuple[type[SyncError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (NotPossible, HTTPStatus.CONFLICT),
    (RequestError, HTTPStatus.BAD_REQUEST),
    (RateLimited, HTTPStatus.SERVICE_UNAVAILABLE),
    (MarketplaceUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (QueueUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (SecretUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (MarketplaceError, HTTPStatus.CONFLICT),
)


def make(context: Context) -> flask.Flask:
    """The application of one page."""
    app = flask.Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=50)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.extensions["page"] = context
    app.jinja_env.undefined = ChainableUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(shown.FILTERS)
    app.context_processor(lambda: _everywhere(context))
    app.before_request(lambda: _admit(context))
    app.after_request(_secure)
    app.register_error_handler(Exception, _failed)
    app.add_url_rule("/enter", "enter", lambda: _enter(context))
    for blueprint in (screens.blueprint, connection_screens.blueprint, actions.blueprint):
        app.register_blueprint(blueprint)
    return app


def _admit(context: Context) -> None:
    flask.g.session = None
    flask.g.session = guard.check(context.door, flask.request)


def _secure(response: flask.Response) -> flask.Response:
    return guard.secure(response, hides_address=flask.request.path == "/enter")


def _enter(context: Context) -> flask.typing.ResponseReturnValue:
    """Exchange a link's token for a session; a browser that has one keeps it."""
    if flask.g.session is None:
        # A browser that only looks ahead, or a program that asks for the headers, uses nothing up.
        ahead = "prefetch" in flask.request.headers.get("Sec-Purpose", "")
        if flask.request.method != "GET" or ahead:
            raise Refused(HTTPStatus.FORBIDDEN, "The link works when it is opened.")
        session = context.door.enter(flask.request.args.get("token", ""))
        if session is None:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "This link has been used, or was never valid. Look at the terminal that shows it: "
                "there is a new one.",
            )
        flask.g.session = session
    response = flask.redirect("/", 303)
    response.set_cookie(
        context.door.cookie_name, flask.g.session.cookie, path="/", httponly=True, samesite="Strict"
    )
    return response


def _everywhere(context: Context) -> dict[str, object]:
    """The names of every template."""
    session = flask.g.get("session")
    notice, is_in = None, session is not None
    if session is not None and flask.request.method == "GET":
        notice, session.notice = session.notice, None
    return {
        "is_in": is_in,
        "csrf": session.csrf if session is not None else "",
        "notice": notice,
        "actor": context.actor,
        "store_name": context.store_name,
        "can_write": is_in and context.can_write(),
        "here": shown.here,
    }


def _failed(error: Exception) -> flask.typing.ResponseReturnValue:
    """One form for every refusal and error."""
    action = ""
    match error:
        case Refused():
            status, message = error.status, error.message
        case HTTPException():
            status = HTTPStatus(error.code or 500)
            message = "There is nothing at this address." if status == 404 else status.description
        case SyncError():
            status = next((each for kind, each in _STATUSES if isinstance(error, kind)), HTTPStatus.CONFLICT)
            message, action = error.message, error.action
        case _:
            status, message = HTTPStatus.INTERNAL_SERVER_ERROR, f"a defect of this program: {locate(error)}"
            _log.exception("a screen of the page failed", extra={"action": "page_crashed"})
    body = flask.render_template("error.html", status=status, message=message, action=action)
    response = flask.make_response(body, status.value)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(guard.METHODS)
    return response
