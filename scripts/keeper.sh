# shellcheck shell=bash
# keeper.sh CONTROL GROUP...: gives the namespaces of ./run on a network, and clears up when all in them has ended.
#
# From standard input it reads the process id that the namespaces belong to, then a line when they are there; the end of
# the input is the end of every process inside and of the one that started them, however these ended.
set -u

# connect CONTROL GROUP...: returns when everything inside has ended.
connect() {
    local control=$1 pid group process processes
    shift
    read -r pid
    if read -r _; then
        for group; do
            # A group of version 2 that has groups with controllers below it may have no process of its own.
            [ -e "$group/cgroup.controllers" ] || continue
            mkdir "$group/init"
            for _ in $(seq 20); do # they fork meanwhile
                mapfile -t processes <"$group/cgroup.procs"
                for process in "${processes[@]}"; do echo "$process" >"$group/init/cgroup.procs"; done 2>/dev/null
                [ ${#processes[@]} -gt 0 ] || break
            done
        done
        setpriv --pdeathsig KILL slirp4netns --configure --mtu=1400 --disable-host-loopback "$pid" tap0 \
            </dev/null >"$control/slirp4netns.log" 2>&1 &
        cat >/dev/null
        kill $! 2>/dev/null
        wait
    fi
}

# clear_up CONTROL GROUP...: removes the control groups as soon as the kernel lets them go.
clear_up() {
    local control=$1 group left
    shift
    for _ in $(seq 50); do
        left=
        for group; do
            find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
            [ ! -e "$group" ] || left=yes
        done
        [ -n "$left" ] || break
        sleep 0.1
    done
    rm -rf "$control"
}

# On one line, which bash has read when it begins: the checkout may change meanwhile.
cd / && connect "$@"; clear_up "$@"; exit
