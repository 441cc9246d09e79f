"""What the builder tells of its failure: it reaches the runtime, however long it is."""

import os

import pytest

from pyrunc import builder, syscalls
from pyrunc.errors import PyruncError

LONG = "/" + "\N{GRINNING FACE}" * 100_000


@pytest.mark.parametrize("text", ["short", "x" * builder.MAX_TEXT, LONG])
def test_a_report_arrives(text: str) -> None:
    ours, theirs = syscalls.socketpair(builder.SOCK_SEQPACKET)
    receiver = builder.Builder(0, ours)
    try:
        builder.tell(theirs, (f"first {text} last", text, text, text, 7))
        with pytest.raises(PyruncError) as caught:
            receiver.read_report()
    finally:
        os.close(ours)
        os.close(theirs)
    error = caught.value
    assert error.errno == 7
    assert error.reason.startswith("first ")
    assert error.reason.endswith(" last")
    if text != LONG:
        assert [error.operation, error.place, error.hint] == [text] * 3
    else:
        assert all(len(part) < builder.MAX_TEXT + 10 for part in (error.reason, error.operation, error.hint))
