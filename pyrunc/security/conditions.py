"""Rules that libseccomp compiles wrongly, compiled here.

libseccomp keeps the rules of one system call as a tree of half-word comparisons and merges them as they come.
Up to 2.5.4 at least, several rules with several conditions each, or with upper bounds on both sides of 2**32, may
come out as a program that answers otherwise than the rules say, and for some of them it never returns.  Equality
and masks, which nearly all profiles keep to, come out right.  So a system call with such rules is decided by code
from here, which stands before libseccomp's program: one rule after the other.
"""

from pyrunc.security.bpf import ALU_AND_K, JEQ_K, JGE_K, JGT_K, RET_K, Instruction, load_argument

# index, SCMP_CMP_*, value, valueTwo
Condition = tuple[int, str, int, int]


class Rule:
    """The action (SECCOMP_RET_* value) for a call that meets all the conditions; none is met by every call."""

    __slots__ = ("action", "conditions", "place")

    def __init__(self, action: int, conditions: list[Condition], place: str) -> None:
        self.action = action
        self.conditions = conditions
        self.place = place


# Where a comparison leads: on to the next condition, or to the next rule.
_MET = -1
_NOT_MET = -2

_HALF = 0xFFFFFFFF
_KILL_PROCESS = 0x80000000  # SECCOMP_RET_KILL_PROCESS: the one value whose order is not that of its number


def libseccomp_gets_wrong(rules: list[Rule]) -> bool:
    """Whether the rules of one system call are of a kind that must not be left to libseccomp."""
    conditions = [condition for rule in rules for condition in rule.conditions]
    operators = {operator for _, operator, _, _ in conditions}
    if len(rules) < 2 or operators <= {"SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"}:
        return False
    if any(len(rule.conditions) > 1 for rule in rules):
        return True
    bounded_above = bool(operators & {"SCMP_CMP_LT", "SCMP_CMP_LE"})
    return bounded_above and len({value >> 32 for _, _, value, _ in conditions}) > 1


def without_conditions(rules: list[Rule]) -> Rule:
    """The one rule that stands for all of them where the arguments cannot be seen.

    The rule without conditions, if there is one; else the most permissive of the actions.  So a profile that allows
    a call but for some arguments allows it, as libseccomp has it for a single rule, and one that only ever refuses
    it refuses it: conditions are dropped, the profile's intent for the call is not.
    """
    for rule in rules:
        if not rule.conditions:
            return rule
    first = max(rules, key=lambda rule: _permissiveness(rule.action))
    return Rule(first.action, [], first.place)


def _permissiveness(action: int) -> int:
    """A SECCOMP_RET_* value without its data, in the kernel's order of precedence (seccomp(2))."""
    kind = action & 0xFFFF0000
    return -1 if kind == _KILL_PROCESS else kind


def rules_code(rules: list[Rule], default: int, words: int) -> list[Instruction]:
    """The instructions that decide one system call, whatever its arguments are.

    A rule without conditions comes before all others, as in libseccomp; among those with conditions the first
    that is met decides.  words: how many half-words of an argument count, 1 on a 32-bit architecture.
    """
    code: list[Instruction] = []
    for rule in sorted(rules, key=lambda rule: bool(rule.conditions)):
        steps = [step for condition in rule.conditions for step in _linked(_condition(condition, words))]
        end = len(steps) + 1  # the return behind them
        code += [
            (op, _distance(jt, place, end), _distance(jf, place, end), constant)
            for place, (op, jt, jf, constant) in enumerate(steps)
        ]
        code.append((RET_K, 0, 0, rule.action))
    return [*code, (RET_K, 0, 0, default)]


def _linked(steps: list[Instruction]) -> list[Instruction]:
    """A condition's instructions with the way on, behind the last of them, filled in."""
    end = len(steps)
    return [
        (op, end - place - 1 if jt == _MET else jt, end - place - 1 if jf == _MET else jf, constant)
        for place, (op, jt, jf, constant) in enumerate(steps)
    ]


def _distance(jump: int, place: int, end: int) -> int:
    return end - place - 1 if jump == _NOT_MET else jump


def _condition(condition: Condition, words: int) -> list[Instruction]:
    """The comparison of one argument, high half first; falls off its end when it is met."""
    index, operator, value, value_two = condition
    high, low = value >> 32, value & _HALF
    load_high, load_low = load_argument(index, True), load_argument(index, False)

    if operator == "SCMP_CMP_MASKED_EQ":
        wanted = value & value_two
        steps = [load_low, (ALU_AND_K, 0, 0, low), (JEQ_K, 0, _NOT_MET, wanted & _HALF)]
        if words == 2:
            steps = [load_high, (ALU_AND_K, 0, 0, high), (JEQ_K, 0, _NOT_MET, wanted >> 32), *steps]
        return steps

    greater, less, last = {
        "SCMP_CMP_EQ": (_NOT_MET, _NOT_MET, (JEQ_K, 0, _NOT_MET, low)),
        "SCMP_CMP_NE": (_MET, _MET, (JEQ_K, _NOT_MET, 0, low)),
        "SCMP_CMP_GT": (_MET, _NOT_MET, (JGT_K, 0, _NOT_MET, low)),
        "SCMP_CMP_GE": (_MET, _NOT_MET, (JGE_K, 0, _NOT_MET, low)),
        "SCMP_CMP_LT": (_NOT_MET, _MET, (JGE_K, _NOT_MET, 0, low)),
        "SCMP_CMP_LE": (_NOT_MET, _MET, (JGT_K, _NOT_MET, 0, low)),
    }[operator]
    if words == 1:
        return [load_low, last]
    return [load_high, (JGT_K, greater, 0, high), (JEQ_K, 0, less, high), load_low, last]
