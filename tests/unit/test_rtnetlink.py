"""The messages of rtnetlink: what is written, and what is read of answers that may be cut or strange."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc import rtnetlink
from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.network import plan_net_devices
from pyrunc.rtnetlink import HEADER, attribute, attributes_of, messages_of, raise_error


@given(st.dictionaries(st.integers(0, rtnetlink.NLA_TYPE_MASK), st.binary(max_size=40)))
def test_attributes_come_back(values: "dict[int, bytes]") -> None:
    data = b"".join(attribute(kind, payload) for kind, payload in values.items())
    assert len(data) % 4 == 0
    assert attributes_of(data) == values


@given(st.binary(max_size=200))
def test_no_answer_is_an_endless_one(data: bytes) -> None:
    """An answer of nonsense is read to its end."""
    attributes_of(data)
    assert sum(1 for _ in messages_of(data)) <= len(data)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 9), st.binary(max_size=30))))
def test_messages(bodies: "list[tuple[int, int, bytes]]") -> None:
    data = b""
    for kind, sequence, body in bodies:
        length = HEADER.size + len(body)
        data += HEADER.pack(length, kind, 0, sequence, 0) + body + bytes(-length % 4)
    assert list(messages_of(data)) == [(kind, 0, sequence, body) for kind, sequence, body in bodies]


def test_success_is_no_error() -> None:
    raise_error(bytes(4) + HEADER.pack(HEADER.size, 0, 0, 0, 0), 0, rtnetlink.NLMSG_ERROR)
    raise_error(b"", 0, rtnetlink.NLMSG_DONE)


@pytest.mark.parametrize("capped", [True, False])
def test_the_words_of_the_kernel(capped: bool) -> None:
    """They stand after the request, which may be there as a whole."""
    request = HEADER.pack(HEADER.size + (0 if capped else 5), 0, 0, 0, 0)
    payload = (-errno.EEXIST).to_bytes(4, rtnetlink.byteorder, signed=True) + request + (b"" if capped else bytes(8))
    if not capped:
        request = HEADER.pack(HEADER.size + 8, 0, 0, 0, 0)
        payload = payload[:4] + request + bytes(8)
    payload += attribute(rtnetlink.NLMSGERR_ATTR_MSG, b"in use\0")
    flags = rtnetlink.NLM_F_ACK_TLVS | (rtnetlink.NLM_F_CAPPED if capped else 0)
    with pytest.raises(SystemCallError) as caught:
        raise_error(payload, flags, rtnetlink.NLMSG_ERROR)
    assert caught.value.errno == errno.EEXIST
    assert str(caught.value) == "rtnetlink: file exists (in use)"


def test_plan() -> None:
    devices = plan_net_devices({"eth0": {"name": "lan%d"}, "eth1": {}, "eth2": {"name": ""}}, privileged=True)
    assert [device.describe() for device in devices] == [
        "move network device eth0 as lan%d",
        "move network device eth1",
        "move network device eth2",
    ]
    assert devices[0].place == "linux.netDevices['eth0']"


def test_rootless() -> None:
    with pytest.raises(PyruncError, match="not supported in rootless containers"):
        plan_net_devices({"eth0": {}}, privileged=False)
