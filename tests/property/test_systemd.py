"""systemd's device list never forbids what the container's own rules allow; no annotation breaks the parser."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyrunc.cgroups.devices import ANY
from pyrunc.cgroups.systemd_annotations import ALLOWED, Parser
from pyrunc.cgroups.systemd_properties import bit_mask, device_entries

NUMBER = st.sampled_from([ANY, 0, 1, 2])
ACCESS = st.sets(st.sampled_from("rwm"), min_size=1).map(lambda letters: "".join(x for x in "rwm" if x in letters))
RULE = st.tuples(st.booleans(), st.sampled_from("abc"), NUMBER, NUMBER, ACCESS)


def allows(rules: "list[Any]", letter: str, major: int, minor: int, bit: str) -> bool:
    """What the kernel answers: the last rule that names the device and the permission."""
    for allow, kind, its_major, its_minor, access in reversed(rules):
        if kind in ("a", letter) and its_major in (ANY, major) and its_minor in (ANY, minor) and bit in access:
            return bool(allow)
    return False


def listed(entries: "list[tuple[str, str]]", letter: str, major: int, minor: int, bit: str) -> bool:
    """What systemd's program answers (systemd.resource-control(5), DeviceAllow=)."""
    kind = "char" if letter == "c" else "block"
    names = (f"{kind}-*", f"{kind}-{major}", f"/dev/{kind}/{major}:{minor}")
    return any(name in names and bit in access for name, access in entries)


@given(st.lists(RULE, max_size=8))
def test_systemd_allows_at_least_what_the_rules_do(rules: "list[Any]") -> None:
    entries = device_entries(rules)
    for letter in "bc":
        for major in (0, 1, 2):
            for minor in (0, 1, 2):
                for bit in "rwm":
                    if entries is not None and allows(rules, letter, major, minor, bit):
                        assert listed(entries, letter, major, minor, bit)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("bc"), st.sampled_from([0, 1]), NUMBER, ACCESS), max_size=8))
def test_systemd_allows_no_device_that_no_rule_names(rules: "list[Any]") -> None:
    entries = device_entries(rules)
    assert entries is not None
    named = {(kind, major) for allow, kind, major, _, _ in rules if allow}
    for letter in "bc":
        for major in (0, 1, 2):
            if (letter, major) not in named:
                assert not any(listed(entries, letter, major, 0, bit) for bit in "rwm")


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_lists(numbers: "set[int]") -> None:
    mask = bit_mask(",".join(str(number) for number in sorted(numbers)), "")
    assert {index for index in range(8 * len(mask)) if mask[index // 8] >> (index % 8) & 1} == numbers


@given(st.text(), st.sampled_from(sorted(set(ALLOWED.values()))))
def test_any_text_is_a_value_or_an_error_with_a_position(text: str, signature: str) -> None:
    try:
        Parser(text).whole(signature)
    except ValueError as error:
        assert "at position" in str(error)


@given(st.text(alphabet=st.characters(exclude_characters="\\\0", exclude_categories=["Cs"])))
def test_strings_come_back(text: str) -> None:
    quoted = text.replace("'", "\\'")
    assert Parser(f"'{quoted}'").whole("s") == text
    assert Parser(f"['{quoted}']").whole("as") == [text]


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_come_back(number: int) -> None:
    for text in (f"{number}", f"uint64 {number}", f"{number:#x}"):
        assert Parser(text).whole("t") == number
