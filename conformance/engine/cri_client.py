"""One call of the CRI: `cri_client SOCKET METHOD`, messages in hexadecimal on the standard streams.

A program of its own for the system's Python, which has gRPC as a package (python3-grpcio).
"""

import sys

import grpc

SECONDS = 50


def main(socket: str, method: str) -> int:
    """Prints the answer; 1 and the reason on standard error when the call fails."""
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        call = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")
        try:
            answer = call(bytes.fromhex(sys.stdin.read()), timeout=SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            sys.stderr.write(f"{method}: {error.code().name}: {error.details()}\n")
            return 1
    sys.stdout.write(answer.hex())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
