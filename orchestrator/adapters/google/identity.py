"""Who the application default credentials belong to.

google-auth's documentation (googleapis.dev/python/google-auth 2.x, `google.auth.default`): the credentials
of a service account, of an impersonation and of a workload tell their e-mail; those of a person do so in the
ID token that comes with each access token (`gcloud auth application-default login` asks for `openid` and
`userinfo.email`).
"""

from __future__ import annotations

import google.auth
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.urllib3 import Request

from orchestrator.errors import StoreUnavailable
from orchestrator.timed_http import TimedPoolManager

_TIMEOUT_S = 10.0
_SCOPES = (
    "openid",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/cloud-platform",
)


def caller() -> str:
    """The e-mail of the credentials in use; the credentials' kind if they tell none.

    Raises:
        StoreUnavailable: There are no credentials, or Google refuses them.
    """
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
        if not _email_of(credentials):
            credentials.refresh(Request(TimedPoolManager(timeout=_TIMEOUT_S)))
        return _email_of(credentials) or f"{type(credentials).__module__} without an e-mail"
    except GoogleAuthError as error:
        raise StoreUnavailable(
            f"Google does not tell who you are: {error}",
            action="log in: gcloud auth application-default login",
        ) from error


def _email_of(credentials: object) -> str:
    account = getattr(credentials, "service_account_email", "") or getattr(credentials, "account", "")
    # A machine's credentials are called `default` until they were refreshed.
    if account and account != "default":
        return str(account)
    token = getattr(credentials, "id_token", None)
    if not isinstance(token, str):
        return ""
    # It comes from Google itself, over TLS.
    return str(jwt.decode(token, verify=False).get("email", ""))
