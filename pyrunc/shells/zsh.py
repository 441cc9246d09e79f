"""The completion script for zsh: see zshcompsys(1), "_arguments"."""

from pyrunc.options import FLAG, LIST, Option
from pyrunc.shells import words

HEAD = """\
#compdef pyrunc
# Completion of pyrunc in zsh, made by `pyrunc completion zsh` from its table of options.
"""

BODY = r"""
_pyrunc_ids() {
    local -a ids expl
    ids=(${(f)"$("$pyrunc_program" "${pyrunc_root[@]}" list -q 2> /dev/null)"})
    _wanted containers expl container compadd -a ids
}

_pyrunc_signals() {
    local -a signals expl
    signals=(@SIGNALS@)
    [[ $PREFIX != [sS][iI]* ]] || signals=(SIG${^signals})
    _wanted signals expl signal compadd -M 'm:{a-z}={A-Z}' -a signals
}

_pyrunc_commands() {
    local -a commands
    commands=(
@COMMANDS@
    )
    _describe command commands
}

_pyrunc() {
    local curcontext=$curcontext state line pyrunc_program=${(Q)${words[1]/#\~\//$HOME/}}
    local -a pyrunc_root
    typeset -A opt_args
    _arguments -C -S -A '-*' \
@GLOBAL@
        '1:command:->command' \
        '*::argument:->argument' && return
    if (( ${+opt_args[--root]} )); then
        pyrunc_root=(--root "${(Q)${${opt_args[--root]//\\:/:}/#\~\//$HOME/}}")
    fi
    case $state in
    command)
        _pyrunc_commands
        ;;
    argument)
        case $words[1] in
@CASES@
        help)
            _arguments '1:command:_pyrunc_commands'
            ;;
        esac
        ;;
    esac
}
"""

# The file is either found by compinit, which calls it as the function, or read with `source`.
FOOT = """
if [[ $funcstack[1] == _pyrunc ]]; then
    _pyrunc "$@"
else
    compdef _pyrunc pyrunc
fi
"""

ACTIONS = {
    words.FILE: "_files",
    words.DIRECTORY: "_files -/",
    words.ID: "_pyrunc_ids",
    words.SIGNAL: "_pyrunc_signals",
    words.ANYTHING: "",
}


def script() -> str:
    """The whole script."""
    known = words.commands()
    summaries = {**{name: command.summary for name, command in known.items()}, **words.EXTRA}
    body = BODY.replace("@SIGNALS@", " ".join(words.SIGNALS))
    described = [f"        {_quote(f'{name}:{text}')}" for name, text in sorted(summaries.items())]
    body = body.replace("@COMMANDS@", "\n".join(described))
    body = body.replace("@GLOBAL@", "\n".join(f"        {_option(option)} \\" for option in words.options("")))
    cases = []
    for name, command in known.items():
        specifications = [_option(option) for option in words.options(name)]
        for position, value in enumerate(words.arguments(name), 1):
            specifications.append(_quote(f"{position}:{_message(value)}:{_action(value)}"))
        if not command.interspersed:
            specifications.append("'*:argument:'")
        start = "_arguments -S" if command.interspersed else "_arguments -S -A '-*'"
        lines = " \\\n                ".join([start, *specifications])
        cases.append(f"        {name})\n            {lines}\n            ;;")
    return HEAD + body.replace("@CASES@", "\n".join(cases)) + FOOT


def _option(option: Option) -> str:
    """One option as _arguments wants it; those with two names exclude each other."""
    several = "*" if option.kind == LIST else ""
    names = [f"--{option.name}", *([f"-{option.short}"] if option.short else [])]
    exclusive = f"({' '.join(names)})" if len(names) > 1 and not several else ""
    help = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    rest = f"[{help}]"
    if option.kind != FLAG:
        rest += f":{_colons(option.metavar)}:{_action(words.value(option))}"
        names[0] += "="
    if len(names) == 1:
        return _quote(several + names[0] + rest)
    return f"{_quote(exclusive + several)}{{{','.join(names)}}}{_quote(rest)}"


def _message(value: str) -> str:
    return {words.ID: "container", words.SIGNAL: "signal", words.DIRECTORY: "directory"}.get(value, "argument")


def _action(value: str) -> str:
    return ACTIONS[value] if value in ACTIONS else f"({value.replace('|', ' ')})"


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'" if text else ""
