"""Messages over Unix sockets: JSON behind a four-byte length between pool and workers, commands to their server."""

import json
import socket
import struct

COMMAND = struct.Struct("!cq")  # FORK, answered with the new worker's pid; or KILL with a pid
FORK, KILL = b"f", b"k"
READY = b"r"
_LENGTH = struct.Struct("!I")


def send(connection: socket.socket, message: dict) -> None:
    """Sends one message; lone surrogates survive as JSON escapes. Raises OSError if the other side is gone."""
    payload = json.dumps(message).encode("ascii")
    connection.sendall(_LENGTH.pack(len(payload)) + payload)


def receive(connection: socket.socket) -> dict | None:
    """The next message, or None if the other side is gone."""
    try:
        header = _exactly(connection, _LENGTH.size)
        payload = _exactly(connection, _LENGTH.unpack(header)[0]) if header else None
    except (ConnectionResetError, BrokenPipeError):
        return None
    return json.loads(payload) if payload else None


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            return None
        received += part
    return bytes(received)
