# What the demo's container says of itself.  Arguments: the names of the capabilities, in the order of their bits.
# Only what any /bin/sh can do.
say() {
    printf '  %-14s %s\n' "$1" "$2"
}

field() { # NAME: its value in /proc/self/status
    while read -r name value _; do
        [ "$name" != "$1:" ] || echo "$value"
    done < /proc/self/status
}

capabilities() { # MASK NAME...: the names of the bits that are set
    mask=$((0x$1))
    shift
    for name; do
        [ $((mask & 1)) = 0 ] || printf '%s ' "$name"
        mask=$((mask >> 1))
    done
}

cgroup() {
    found=/
    while IFS=: read -r _ _ path; do
        [ "$path" = / ] || found=$path
    done < /proc/self/cgroup
    echo "$found"
}

lines() {
    count=0
    while read -r _; do count=$((count + 1)); done
    echo "$count"
}

read -r hostname < /proc/sys/kernel/hostname
held=$(capabilities "$(field CapEff)" "$@")
echo 'Hello from inside the container:'
say hostname "$hostname"
say 'process id' "$$"
say 'user id' "$(field Uid)"
say cgroup "$(cgroup)"
say capabilities "${held:-none}"
say 'new privileges' "$([ "$(field NoNewPrivs)" = 1 ] && echo 'can never be gained' || echo 'can be gained')"
say mounts "$(lines < /proc/self/mountinfo)"
say 'root folder' "$( (: > /x) 2> /dev/null && echo 'can be written' || echo 'cannot be written')"
