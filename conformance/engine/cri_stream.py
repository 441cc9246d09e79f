"""One stream of the CRI's streaming server: `cri_stream URL`, with what is to be sent as JSON on standard input.

Kubernetes' WebSocket protocol v4.channel.k8s.io: the first byte of each message is its channel.  A program of its own
for the system's Python, which has WebSockets as a package (python3-websocket).
"""

import json
import sys
import time

import websocket

PROTOCOL = "v4.channel.k8s.io"
SECONDS = 30


def main(url: str) -> int:
    """Sends [[channel, text], ...], prints what each channel said up to the end or a text, as JSON."""
    asked = json.load(sys.stdin)
    said: dict[int, bytes] = {}
    end = time.monotonic() + SECONDS
    stream = websocket.create_connection(url, subprotocols=[PROTOCOL], timeout=SECONDS)
    for channel, text in asked["send"]:
        stream.send_binary(bytes([channel]) + text.encode())
    try:
        while time.monotonic() < end:
            message = stream.recv()
            if not message:
                break
            said[message[0]] = said.get(message[0], b"") + message[1:]
            if asked["until"] and asked["until"].encode() in said[message[0]]:
                break
    except websocket.WebSocketConnectionClosedException:
        pass  # as good an end as a message of it
    stream.close()
    json.dump({channel: text.decode(errors="replace") for channel, text in said.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
