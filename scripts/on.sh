# ./run on DISTRIBUTION: another Debian than the machine's, in namespaces of its own. It is made once and kept.
# shellcheck shell=bash

home=/opt/ryu-pmipls # in the root file system: the copy of the checkout, and its virtual environment
reports=(setup.log demo-report bench-report.json)
# What pip and apt need inside to reach the outside from behind a proxy.
carried=({http,https,no,all}_proxy {HTTP,HTTPS,NO,ALL}_PROXY PIP_{INDEX_URL,EXTRA_INDEX_URL,TRUSTED_HOST,PROXY,DEFAULT_TIMEOUT} TERM CI)

# on DISTRIBUTION COMMAND [ARGUMENT...]: ./run COMMAND there; its exit status.
on() {
    local name=${1:-} suite root folder status=0
    case $name in
        debian12) suite=bookworm ;;
        debian13) suite=trixie ;;
        *) fail "there is debian12 and debian13: $0 on debian13 demo" ;;
    esac
    case ${2:-} in
        setup | demo | tests | bench | newest) ;;
        *) fail "on $name there is setup, demo, tests, bench and newest: $0 on $name demo" ;;
    esac
    shift
    check_machine
    root=$cache/$name
    folder=$checkout/on-$name
    mkdir -p "$cache" "$folder"
    log=$folder/root.log
    : >"$log"
    exec 8>"$root.lock"
    flock -n 8 || { echo "Another command runs on $name; waiting for it."; flock 8; }
    require_packages mmdebstrap slirp4netns debian-archive-keyring
    if [ ! -d "$root" ]; then
        echo "$name is made once, in $root, which takes one to three minutes (log: $log)."
        step "root file system" "mmdebstrap could not make it." make_root "$suite" "$root"
    fi
    furnish "$root"
    echo "On $name: ./run $*"
    enter "$root" "$@" || status=$?
    for report in "${reports[@]}"; do
        [ ! -e "$root$home/checkout/$report" ] || { rm -rf "${folder:?}/$report"; cp -r "$root$home/checkout/$report" "$folder"; }
    done
    echo "Logs and reports of $name: $folder"
    return $status
}

# make_root SUITE FOLDER: with the machine's own mirror if it runs Debian. Mounts of mmdebstrap end with its namespace.
make_root() {
    local suite=$1 root=$2 sources
    making=$root.making
    rm -rf --one-file-system "$making"
    trap 'rm -rf --one-file-system "$making"' EXIT
    mapfile -t sources < <(mirrors "$suite")
    printf 'from: %s\n' "${sources[@]:-the default mirror}"
    unshare --mount mmdebstrap --variant=apt --include=ca-certificates,python3,python3-venv \
        --aptopt=<(apt_options) "$suite" "$making" "${sources[@]}"
    mv "$making" "$root"
}

# mirrors SUITE: lines for sources.list with the mirrors this Debian uses; nothing if it is no Debian.
mirrors() {
    local uri label
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' 2>/dev/null | sort -u |
        while read -r uri label; do
            case $label in
                Debian) printf "deb $uri %s main\n" "$1" "$1-updates" ;;
                Debian-Security) echo "deb $uri $1-security main" ;;
            esac
        done
}

apt_options() { apt-config dump | grep -E '^Acquire::(Check-[A-Za-z-]+|https?::Proxy(::[^ ]+)?) "' || true; }

# furnish ROOT: a fresh copy of the checkout, and the machine's way to the outside: proxies, certificates, name server.
furnish() {
    local root=$1 certificates=/usr/local/share/ca-certificates
    mkdir -p "$root$home/checkout" "$root$certificates"
    find "$root$home/checkout" -mindepth 1 -maxdepth 1 ! -name .mypy_cache -exec rm -rf {} +
    tar -C "$checkout" --exclude=.git --exclude-from=<(sed 's,/$,,' "$checkout/.gitignore") -c . |
        tar -C "$root$home/checkout" --no-same-owner -x
    rm -f "$root/etc/resolv.conf" "$root$certificates"/*.crt
    echo "nameserver 10.0.2.3" >"$root/etc/resolv.conf" # slirp4netns answers there
    find $certificates -name '*.crt' -exec cp {} "$root$certificates" \; 2>/dev/null || true
    [ ! -e "${PIP_CERT:-}" ] || cp "$PIP_CERT" "$root$certificates/pip.crt"
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc"
    apt_options >"$root/etc/apt/apt.conf.d/99machine"
}

# enter ROOT COMMAND [ARGUMENT...]: all that it starts ends with it; when this process is killed, too.
enter() {
    local root=$1 control status=0 life keeper variable environment=() groups
    shift
    for variable in "${carried[@]}"; do
        [ -z "${!variable:-}" ] || environment+=("$variable=${!variable}")
    done
    control=$(mktemp -d)
    mkfifo "$control/life"
    exec {life}<>"$control/life"
    mapfile -t groups < <(create_groups "ryu-pmipls-$$")
    [ ${#groups[@]} -gt 0 ] || fail "no control group for CPU time can be created below /sys/fs/cgroup"
    setsid bash "$checkout/scripts/keeper.sh" "$control" "${groups[@]}" <"$control/life" {life}>&- 8>&- &
    keeper=$!
    (
        for group in "${groups[@]}"; do echo $BASHPID >"$group/cgroup.procs"; done
        echo $BASHPID >&$life
        exec setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --net --ipc --cgroup \
            bash "$checkout/scripts/inside.sh" "$root" $life "$home" "${environment[@]}" -- "$@"
    ) || status=$?
    exec {life}>&-
    wait $keeper || true
    return $status
}

# create_groups NAME: control groups of that name wherever CPU time is counted or limited; their folders.
create_groups() {
    local mount kind options folder
    while read -r _ mount kind options _; do
        folder=$mount/$1
        case $kind,$options, in
            cgroup,*,cpu,* | cgroup,*,cpuacct,*) ;;
            cgroup2,*)
                grep -qw cpu "$mount/cgroup.controllers" || continue
                echo +cpu >"$mount/cgroup.subtree_control"
                ;;
            *) continue ;;
        esac
        mkdir "$folder" && echo "$folder"
    done </proc/mounts
}
