"""The completion script for bash (4.3 or newer); see "Programmable Completion" in bash(1)."""

from pyrunc.shells import words

HEAD = """\
# Completion of pyrunc in bash, made by `pyrunc completion bash` from its table of options.
"""

# $REPLY is how these functions answer: a subshell for each question would be felt.
BODY = r"""
_pyrunc() {
    local IFS=$' \t\n' REPLY line=$COMP_LINE words=() word command= option= ended= count=0 root=()

    # Bash takes words apart at = and : (COMP_WORDBREAKS).  What has no blank between it belongs together.
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} == 0 || $line == [[:blank:]]* ]]; then
            line=${line#"${line%%[![:blank:]]*}"}
            words+=("$word")
        else
            words[-1]+=$word
        fi
        line=${line#"$word"}
    done

    # What stands before the cursor: the command, its arguments, an option that waits for its value, --root.
    for word in "${words[@]:1:${#words[@]}-2}"; do
        if [[ $option ]]; then
            [[ $command || $option != root ]] || root=(--root "$(_pyrunc_unquote "$word")")
            option=
        elif [[ $word == -?* && ! $ended ]]; then
            word=${word#-} word=${word#-}
            if [[ ! $word ]]; then
                ended=yes
            elif [[ $word == *=* ]]; then
                [[ $command || $word != root=* ]] || root=(--root "$(_pyrunc_unquote "${word#root=}")")
            elif _pyrunc_value "$command" "$word" && [[ $REPLY ]]; then
                option=$word
            fi
        elif [[ ! $command ]]; then
            command=$word ended=
        else
            count=$((count + 1))
            case $command in @CLOSED@) ended=yes ;; esac
        fi
    done

    word=${words[-1]}
    if [[ $option ]]; then
        _pyrunc_value "$command" "$option"
    elif [[ $word == -* && ! $ended ]]; then
        if [[ $word == *=* ]]; then
            option=${word%%=*} option=${option#-} option=${option#-}
            _pyrunc_value "$command" "$option"
            word=${word#*=}
        else
            _pyrunc_options "$command"
        fi
    elif [[ $command ]]; then
        _pyrunc_argument "$command" "$count"
    else
        REPLY="@COMMANDS@"
    fi

    COMPREPLY=()
    case $REPLY in
    FILE) compopt -o default; return ;;
    DIRECTORY) compopt -o dirnames; return ;;
    ANYTHING) return ;;
    ID) REPLY=$("$(_pyrunc_unquote "${words[0]}")" "${root[@]}" list -q 2> /dev/null) ;;
    SIGNAL)
        REPLY="@SIGNALS@"
        [[ $word != [sS][iI]* ]] || REPLY="SIG${REPLY// / SIG}"
        word=${word^^}
        ;;
    esac
    COMPREPLY=($(compgen -W "$REPLY" -- "$word"))
}

_pyrunc_unquote() { # WORD: what the shell would make of it, but for variables and commands
    local word=${1/#\~\//$HOME/}
    printf %s "${word//[\\\"\']/}"
}
"""

FOOT = """
complete -F _pyrunc pyrunc
"""


def script() -> str:
    """The whole script."""
    known = words.commands()
    body = BODY.replace("@COMMANDS@", " ".join(sorted([*known, *words.EXTRA])))
    body = body.replace("@SIGNALS@", " ".join(words.SIGNALS))
    body = body.replace("@CLOSED@", " | ".join(name for name, command in known.items() if not command.interspersed))
    return HEAD + body + _options(["", *known]) + _values(["", *known]) + _arguments(list(known)) + FOOT


def _options(names: list[str]) -> str:
    lines = ["", "_pyrunc_options() { # COMMAND: its options", "    case $1 in"]
    for name in names:
        spelled = " ".join(f"--{option.name}" for option in words.options(name))
        lines.append(f"""    {name or "''"}) REPLY="{spelled}" ;;""")
    return "\n".join([*lines, "    *) REPLY= ;;", "    esac", "}", ""])


def _values(names: list[str]) -> str:
    lines = ["", '_pyrunc_value() { # COMMAND OPTION: what the option takes, "" for a flag', "    case $1:$2 in"]
    for name in names:
        by_value: dict[str, list[str]] = {}
        for option in words.options(name):
            if words.value(option):
                spelled = by_value.setdefault(words.value(option), [])
                spelled += [f"{name}:{option.name}", *([f"{name}:{option.short}"] if option.short else [])]
        lines += [f"""    {" | ".join(found)}) {_reply(value)} ;;""" for value, found in by_value.items()]
    return "\n".join([*lines, "    *) REPLY= ;;", "    esac", "}", ""])


def _arguments(names: list[str]) -> str:
    lines = ["", "_pyrunc_argument() { # COMMAND COUNT: what its next argument is", "    case $1:$2 in"]
    for name in names:
        for count, value in enumerate(words.arguments(name)):
            lines.append(f"    {name}:{count}) {_reply(value)} ;;")
    lines.append('    help:0) REPLY="' + " ".join(names) + '" ;;')
    return "\n".join([*lines, "    *) REPLY=ANYTHING ;;", "    esac", "}", ""])


def _reply(value: str) -> str:
    return f'REPLY="{value.replace("|", " ")}"'
