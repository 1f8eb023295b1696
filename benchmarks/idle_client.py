"""Hold many keep-alive connections that have had one request each: `python -m benchmarks.idle_client PORT COUNT`.

Prints "ready N" when all are open; then, for each line it reads, how many the server has kept. Ends with its input.
Connections leave from several loopback addresses, because one address has only some 28,000 ports.
"""

import contextlib
import resource
import socket
import sys

BATCH = 100
PER_ADDRESS = 2_500
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
IP_BIND_ADDRESS_NO_PORT = 24


def source_address(index: int) -> str:
    """The loopback address that connection number `index` leaves from."""
    return f"127.0.0.{2 + index // PER_ADDRESS}"


def connect(port: int, index: int) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(30)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source_address(index), 0))
    sock.connect(("127.0.0.1", port))
    return sock


def read_answer(sock: socket.socket) -> None:
    """Read one whole answer with Content-Length; anything else raises."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(4096)
        if not piece:
            raise ConnectionError("closed before the answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ConnectionError(f"answered {head[:40]!r}")
    lower = head.lower()
    length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += sock.recv(4096)


def still_open(sockets: list[socket.socket]) -> int:
    """How many the server has not closed."""
    count = 0
    for sock in sockets:
        with contextlib.suppress(ConnectionError):
            try:
                count += bool(sock.recv(1, socket.MSG_PEEK))
            except BlockingIOError:
                count += 1
    return count


def main() -> None:
    port, count = int(sys.argv[1]), int(sys.argv[2])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        batch = [connect(port, len(sockets) + number) for number in range(min(BATCH, count - len(sockets)))]
        for sock in batch:
            sock.sendall(REQUEST)
        for sock in batch:
            read_answer(sock)
        sockets += batch
    for sock in sockets:
        sock.setblocking(False)
    print("ready", len(sockets), flush=True)
    for _ in sys.stdin:
        print("open", still_open(sockets), flush=True)


if __name__ == "__main__":
    main()
