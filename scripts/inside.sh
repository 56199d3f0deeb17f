# shellcheck shell=bash
# inside.sh ROOT LIFE HOME [VARIABLE=VALUE...] -- COMMAND...: the first process in the namespaces of ./run on. Makes the
# folders of the kernel in ROOT, none of them the machine's own, and calls ./run there. Descriptor LIFE leads to the keeper.
set -euo pipefail
root=$1 life=$2 home=$3
shift 3
environment=()
while [ "$1" != -- ]; do
    environment+=("$1")
    shift
done
shift

mount --make-rprivate /
mount --bind "$root" "$root"

mount -t tmpfs -o mode=755,nosuid devices "$root/dev"
mkdir -p "$root"/dev/{net,pts,shm}
while read -r name major minor; do
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
END
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2 ptmx:pts/ptmx; do
    ln -s "${link#*:}" "$root/dev/${link%%:*}"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root"/run/{lock,netns}
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"

# The control groups below that of the namespace.
hierarchies=$(awk -F: '$2 ~ /(^|,)cpu(acct)?(,|$)/ { print $2 }' /proc/self/cgroup)
if [ -n "$hierarchies" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    for hierarchy in $hierarchies; do
        mkdir "$root/sys/fs/cgroup/$hierarchy"
        mount -t cgroup -o "$hierarchy" cgroup "$root/sys/fs/cgroup/$hierarchy"
    done
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi

ip link set lo up
echo ready >&"$life"
for _ in $(seq 200); do
    [ ! -e "$root/sys/class/net/tap0" ] || break
    sleep 0.05
done
[ -e "$root/sys/class/net/tap0" ] || echo "run: slirp4netns gives no network; what is to be fetched will be missing" >&2

inside() {
    env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt VENV="$home/venv" "${environment[@]}" \
        chroot "$root" "$@"
}
inside update-ca-certificates >/dev/null 2>&1
status=0
inside "$home/checkout/run" "$@" || status=$?; exit $status # on one line: the checkout may change meanwhile
