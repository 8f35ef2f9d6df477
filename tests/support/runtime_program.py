"""
What a task of another runtime does: hears which task it is, and ends as the task's name says.

Frames are four bytes of length and then msgpack: ``[id, body, error]`` to us, ``[id, body]`` from us
(``airflow.sdk.execution_time.comms``).
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from datetime import datetime, timezone
from typing import Any

import msgspec


def _connect(argument: str) -> socket.socket:
    (address,) = (a.partition("=")[2] for a in sys.argv[1:] if a.startswith(argument))
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


def _receive(comm: socket.socket) -> Any:
    size: int = struct.unpack(">I", comm.recv(4, socket.MSG_WAITALL))[0]
    return msgspec.msgpack.decode(comm.recv(size, socket.MSG_WAITALL))


def _send(comm: socket.socket, body: dict[str, Any]) -> None:
    frame = msgspec.msgpack.encode([0, body])
    comm.sendall(struct.pack(">I", len(frame)) + frame)


def main() -> None:
    """Serve one task."""
    comm, logs = _connect("--comm"), _connect("--logs")
    details = _receive(comm)[1]
    logs.sendall(b'{"event": "a line of another runtime", "level": "info", "logger": "task"}\n')
    task, now = details["ti"], datetime.now(timezone.utc).isoformat()
    if task["task_id"] == "is_killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if task["task_id"] == "exits_once" and task["try_number"] == 1:
        os._exit(3)
    if task["task_id"] == "fails":
        _send(comm, {"type": "TaskState", "state": "failed", "end_date": now})
    else:
        _send(comm, {"type": "SucceedTask", "end_date": now, "task_outlets": [], "outlet_events": []})


main()
