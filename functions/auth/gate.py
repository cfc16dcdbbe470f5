"""Authenticates callers: the scheduler by token and secret, operators by token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from functions.auth import tokens
from functions.auth.certificates import CertificateCache
from functions.auth.scheduler_secret import SchedulerSecret
from functions.problems import Problem
from functions.traces import Fields
from orchestrator.settings import AuthSettings


class Refused(Problem):
    """The caller is refused.

    Args:
        status: 401 without a valid token, 403 for the wrong caller or the wrong secret.
        reason: For the log alone; quotes neither token nor secret.
        who: For the log alone: the caller, as far as it is known.
    """

    def __init__(self, status: HTTPStatus, reason: str, who: str = "an unknown caller") -> None:
        super().__init__(
            status, headers={"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else None
        )
        self.reason = reason
        self.who = who


@dataclass(frozen=True, slots=True)
class Gate:
    """Authenticates callers."""

    auth: AuthSettings
    certificates: CertificateCache
    secret: SchedulerSecret
    #: Seconds since 1970.
    now: Callable[[], float] = time.time

    def scheduler(self, headers: Fields) -> str:
        """Admit only Cloud Scheduler; returns the caller's e-mail, or a word for it.

        Raises:
            Refused: It is another caller.
            CertificatesUnavailable: The token cannot be checked now.
            SecretError: The secret cannot be compared.
        """
        if self.auth.skip_scheduler_auth:
            return "anyone"
        caller = "scheduler"
        if self.auth.requires_token:
            caller = self._email(headers)
            if caller != self.auth.scheduler_service_account:
                raise Refused(HTTPStatus.FORBIDDEN, "it is not the scheduler's account", caller)
        if self.auth.requires_secret and not self.secret.matches(headers.get("x-scheduler-secret", "")):
            fault = "wrong" if headers.get("x-scheduler-secret", "") else "missing"
            who = caller if self.auth.requires_token else "an unknown caller"
            raise Refused(HTTPStatus.FORBIDDEN, f"x-scheduler-secret is {fault}", who)
        return caller

    def operator(self, headers: Fields) -> str:
        """Admit only operators; returns the operator's e-mail.

        Raises:
            Refused: It is another caller.
            CertificatesUnavailable: The token cannot be checked now.
        """
        email = self._email(headers)
        if email not in self.auth.operators:
            raise Refused(HTTPStatus.FORBIDDEN, "it is not one of OPERATORS", email)
        return email

    def _email(self, headers: Fields) -> str:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            # The word "bearer" before another would be taken for a credential, and redacted.
            fault = "no token" if not token and not scheme else "the Authorization header holds no token"
            raise Refused(HTTPStatus.UNAUTHORIZED, fault)
        audiences = (self.auth.audience, f"{self.auth.audience}/")
        try:
            return tokens.verify(token.strip(), self.certificates, audiences, self.now).email
        except tokens.TokenInvalid as error:
            who = f"a caller who claims to be {error.claimed}" if error.claimed else "an unknown caller"
            raise Refused(HTTPStatus.UNAUTHORIZED, f"the token proves nothing: {error}", who) from error
