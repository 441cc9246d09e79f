"""The completion script for fish: see complete(1) of fish."""

from pyrunc.options import FLAG, Option
from pyrunc.shells import words

HEAD = """\
# Completion of pyrunc in fish, made by `pyrunc completion fish` from its table of options.
"""

BODY = r"""
# What stands before the cursor: the command, how many arguments it has, --root.
function __pyrunc_read
    set -g __pyrunc_command ''
    set -g __pyrunc_count 0
    set -g __pyrunc_root
    set -g __pyrunc_ended no
    set -l words (commandline -opc)
    set -g __pyrunc_program $words[1]
    set -l option ''
    for word in $words[2..]
        if test -n "$option"
            test "$__pyrunc_command:$option" = :root && set __pyrunc_root --root $word
            set option ''
        else if test $__pyrunc_ended = no && string match -qr -- '^-.' $word
            set -l name (string replace -r -- '^--?' '' $word)
            if test -z "$name"
                set __pyrunc_ended yes
            else if string match -q -- '*=*' $name
                test -z "$__pyrunc_command" && string match -q -- 'root=*' $name
                and set __pyrunc_root --root (string replace -- root= '' $name)
            else if __pyrunc_takes_value $__pyrunc_command:$name
                set option $name
            end
        else if test -z "$__pyrunc_command"
            set __pyrunc_command $word
            set __pyrunc_ended no
        else
            set __pyrunc_count (math $__pyrunc_count + 1)
            contains -- $__pyrunc_command @CLOSED@
            and set __pyrunc_ended yes
        end
    end
end

# Whether options of that command ('': global ones) can come next.
function __pyrunc_options_of
    __pyrunc_read
    test "$__pyrunc_command" = "$argv[1]" -a $__pyrunc_ended = no
end

# Whether that argument of that command comes next.
function __pyrunc_argument_of
    __pyrunc_read
    test "$__pyrunc_command" = "$argv[1]" -a $__pyrunc_count = $argv[2]
end

function __pyrunc_ids
    __pyrunc_read
    set -l program (string replace -r '^~/' "$HOME/" -- $__pyrunc_program)
    set -l root (string replace -r '^~/' "$HOME/" -- $__pyrunc_root)
    type -q $program
    and $program $root list -q 2> /dev/null
end

complete -c pyrunc -e
complete -c pyrunc -f
"""


def script() -> str:
    """The whole script."""
    known = words.commands()
    closed = " ".join(name for name, command in known.items() if not command.interspersed)
    lines = [_takes_value(["", *known])]
    summaries = {**{name: command.summary for name, command in known.items()}, **words.EXTRA}
    for name, summary in sorted(summaries.items()):
        lines.append(_complete("__pyrunc_argument_of '' 0", f"-a {name} -d {_quote(summary)}"))
    for name in ["", *known]:
        lines.append("")
        for option in words.options(name):
            lines.append(_complete(f"__pyrunc_options_of {name or _quote('')}", _option(option)))
        for count, value in enumerate(words.arguments(name) if name else []):
            if value != words.ANYTHING:
                lines.append(_complete(f"__pyrunc_argument_of {name} {count}", f"-a {_candidates(value)}"))
    lines += ["", _complete("__pyrunc_argument_of help 0", f"-a {_quote(' '.join(known))}")]
    return HEAD + BODY.replace("@CLOSED@", closed) + "\n".join(lines) + "\n"


def _takes_value(names: list[str]) -> str:
    lines = ["", "# COMMAND:OPTION: whether the option takes a value.", "function __pyrunc_takes_value"]
    spelled = [
        f"{name}:{spelling}"
        for name in names
        for option in words.options(name)
        if option.kind != FLAG
        for spelling in (option.name, option.short)
        if spelling
    ]
    return "\n".join([*lines, "    contains -- $argv[1] " + " ".join(spelled), "end", ""])


def _option(option: Option) -> str:
    text = f"-l {option.name}"
    if option.short:
        text += f" -s {option.short}"
    value = words.value(option)
    if value == words.FILE:
        text += " -r -F"
    elif value:
        text += " -x"
        if value != words.ANYTHING:
            text += f" -a {_candidates(value)}"
    return f"{text} -d {_quote(option.help)}"


def _candidates(value: str) -> str:
    if value == words.SIGNAL:
        return _quote(" ".join([*words.SIGNALS, *(f"SIG{name}" for name in words.SIGNALS)]))
    functions = {words.ID: "(__pyrunc_ids)", words.DIRECTORY: "(__fish_complete_directories)"}
    return _quote(functions.get(value) or value.replace("|", " "))


def _complete(condition: str, rest: str) -> str:
    return f"complete -c pyrunc -n {_double(condition)} {rest}"


def _double(text: str) -> str:
    return f'"{text}"'


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
