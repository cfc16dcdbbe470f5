"""A page that is really served, in a thread of this process."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator.page.guard import HOST
from orchestrator.page.server import beside
from orchestrator.services import Services
from tests.page.scenes import ANN, Scene


@dataclass(slots=True)
class Page:
    """A served page: its port, and all links that its terminal showed."""

    port: int = 0
    links: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, dict[str, str], str]:
        """Send a request exactly as it is given; the usual headers are added if they are not.

        Returns:
            The status, the headers in small letters, and the body.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        given = dict(headers or {})
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if "Host" not in given:
            given["Host"] = f"{HOST}:{self.port}"
        if body is not None and "Content-Length" not in given and "Transfer-Encoding" not in given:
            given["Content-Length"] = str(len(body))
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            if body is not None:
                connection.send(body)
        except OSError:
            pass  # refused before all of it was read
        answer = connection.getresponse()
        found = (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read().decode(),
        )
        connection.close()
        return found

    def enter(self) -> dict[str, str]:
        """Use the latest link; returns the headers of a browser that has the session."""
        _, headers, _ = self.ask("GET", self.links[-1].removeprefix(self.origin))
        return {"Cookie": headers["set-cookie"].partition(";")[0]}


@contextmanager
def serving(scene: Scene, services: Services | None = None) -> Iterator[Page]:
    """Serve a scene, on a free port."""
    page = Page()
    with beside(
        services or scene.world.services,
        ANN,
        0,
        dead_letters=lambda: scene.letters,
        tell=page.links.append,
    ) as page.port:
        yield page
