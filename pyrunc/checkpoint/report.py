"""What CRIU's log says about a failure."""

KEPT = 6  # lines
LONGEST = 300  # characters of one
TAIL = 1 << 20  # bytes of a log that are looked at, from the end


def excerpt(log: bytes) -> "list[str]":
    """The last error lines of a log, without their time stamps; where there is none, its last line.

    A line of CRIU's is "(00.012345)    123: Error (criu/files.c:12): words" when it tells of an error.
    """
    lines = [clean(line) for line in log[-TAIL:].decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if line.startswith("Error ")]
    return list(dict.fromkeys(errors))[-KEPT:] or lines[-1:]


def clean(line: str) -> str:
    """The line without its time stamp and the pid after it, unprintable characters replaced."""
    text = line.strip()
    if text.startswith("("):
        stamp, closing, rest = text.partition(")")
        if closing and stamp[1:].replace(".", "").isdigit():
            text = rest.strip()
            pid, colon, rest = text.partition(":")
            if colon and pid.isdigit():
                text = rest.strip()
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def failure_reason(kind: str, number: int, words: str, log_path: str, log: "bytes | None") -> str:
    """The sentence for a request that CRIU did not fulfil."""
    reason = f"criu failed: type {kind} errno {number}"
    if words:
        reason += f" ({words})"
    lines = excerpt(log) if log is not None else []
    if lines:
        reason += ": " + "; ".join(lines)
    return f"{reason}; log file: {log_path}"
