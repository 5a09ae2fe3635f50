"""A name server for one name, as a cluster's answers for a headless service: every ready replica's address."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from socketserver import BaseRequestHandler, ThreadingUDPServer
from types import TracebackType

import dns.message
import dns.rdatatype
import dns.rrset


class NameServer:
    """Answers on loopback over UDP; use as a context manager.

    Args:
        name: The name it knows.
        addresses: Its IPv4 addresses; may be set anew at any time.
    """

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        self.addresses = list(addresses)
        served = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                data, socket = self.request
                query = dns.message.from_wire(data)
                answer = dns.message.make_response(query)
                (question,) = query.question
                if question.rdtype == dns.rdatatype.A and question.name.to_text(omit_final_dot=True) == name:
                    answer.answer.append(dns.rrset.from_text_list(question.name, 1, "IN", "A", served.addresses))
                socket.sendto(answer.to_wire(), self.client_address)

        self._server = ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.address = "{}:{}".format(*self._server.server_address)

    def __enter__(self) -> NameServer:
        self._thread = threading.Thread(target=self._server.serve_forever, name="name-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
