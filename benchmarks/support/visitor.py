"""A person at the check page without a browser: Streamlit's own websocket and upload protocol."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

PATIENCE = 1200.0
"""Seconds to wait for the server's next message."""


@dataclass(frozen=True)
class Seen:
    """What an upload brought.

    Attributes:
        seconds: from the first byte sent to the verdict's words.
        first: of these, until the words of the first look; 0 where there was none.
        sent: of these, until the server had the file.
        texts: everything on the page that is text, in order of arrival.
        outcome: of the picture, from the page's own JSON download.
    """

    seconds: float
    first: float
    sent: float
    texts: tuple[str, ...]
    outcome: dict[str, Any]


class Visitor:
    """One browser session."""

    def __init__(self, address: str, detector: str | None = None) -> None:
        """Connects and waits for the page.

        Args:
            address: of the server, ``http://host:port``.
            detector: chosen in the page's address; None for the default one.
        """
        self.address = address
        self.query = f"detector={quote(detector)}" if detector else ""
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=PATIENCE) as answer:
            self.cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
        self.token = self.cookie.partition("=")[2]
        self.line = connect(
            f"{address.replace('http', 'ws')}/_stcore/stream",
            subprotocols=["streamlit", self.token],  # pyright: ignore[reportArgumentType]
            additional_headers={"Cookie": self.cookie},
            max_size=None,
        )
        self.session, self.uploader, self.state = "", "", WidgetState()
        self.files: list[UploadedFileInfo] = []
        self._ask()
        for _ in self._messages():
            pass

    def __enter__(self) -> Visitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.line.close()

    def upload(self, name: str, content: bytes) -> Seen:
        """Puts a picture in the place of the one before, and waits until the page is whole."""
        start = time.perf_counter()
        request, urls = BackMsg(), None
        request.file_urls_request.request_id = uuid.uuid4().hex
        request.file_urls_request.file_names.append(name)
        request.file_urls_request.session_id = self.session
        self.line.send(request.SerializeToString())
        while urls is None:
            message = self._next()
            if message.WhichOneof("type") == "file_urls_response":
                urls = message.file_urls_response.file_urls[0]
        self.put(urls.upload_url, name, content)
        sent = time.perf_counter() - start
        for before in self.files:
            self.send(before.file_urls.delete_url, "DELETE")
        self.files = [UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls)]
        self._ask()
        texts: list[str] = []
        seconds, first, download = 0.0, 0.0, ""
        for message in self._messages():
            for kind, element in _elements(message):
                if kind == "download_button" and element.label == "Verdicts as JSON":
                    download = element.url
                text = getattr(element, "body", "")
                texts.append(text)
                if text.startswith("First look"):
                    first = time.perf_counter() - start
                if not seconds and ("Probability of fake" in text or kind == "alert"):
                    seconds = time.perf_counter() - start
        return Seen(seconds, first, sent, tuple(texts), self._outcome(download))

    def put(self, url: str, name: str, content: bytes) -> None:
        """Sends a file as the browser does."""
        head = f'--x\r\nContent-Disposition: form-data; name="{quote(name)}"; filename="{quote(name)}"\r\n'
        body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + content + b"\r\n--x--\r\n"
        self.send(url, "PUT", body, {"Content-Type": "multipart/form-data; boundary=x"})

    def send(
        self, url: str, method: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """A request of this session."""
        session = {"Cookie": self.cookie, "X-Xsrftoken": self.token, **(headers or {})}
        request = urllib.request.Request(f"{self.address}{url}", body, session, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE):
            pass

    def _outcome(self, url: str) -> dict[str, Any]:
        if not url:
            return {}
        with urllib.request.urlopen(f"{self.address}{url}", timeout=PATIENCE) as answer:
            return json.load(answer)[0]

    def _ask(self) -> None:
        """Asks for a run of the page with what the person has chosen."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        if self.files:
            state = message.rerun_script.widget_states.widgets.add()
            state.id = self.uploader
            state.file_uploader_state_value.uploaded_file_info.extend(self.files)
        self.line.send(message.SerializeToString())

    def _messages(self) -> Iterator[ForwardMsg]:
        """Until the run has ended."""
        while True:
            message = self._next()
            if message.WhichOneof("type") == "new_session":
                self.session = message.new_session.initialize.session_id
            for kind, element in _elements(message):
                if kind == "file_uploader":
                    self.uploader = element.id
                if kind == "exception":
                    raise RuntimeError(element.message)
            yield message
            if message.WhichOneof("type") == "script_finished":
                return

    def _next(self) -> ForwardMsg:
        message = ForwardMsg()
        data = self.line.recv(PATIENCE)
        message.ParseFromString(data if isinstance(data, bytes) else data.encode())
        return message


def _elements(message: ForwardMsg) -> Iterator[tuple[str, Any]]:
    """The element that a message brings, with its kind."""
    if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
        kind = message.delta.new_element.WhichOneof("type")
        if kind:
            yield kind, getattr(message.delta.new_element, kind)
