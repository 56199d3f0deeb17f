# The machine: its distribution, and the Debian packages that a lab, the tests and a root file system need.
# shellcheck shell=bash

tested="Debian 12, Debian 13 and Ubuntu 24.04"
packages=(acl bird2 ca-certificates curl ethtool iperf3 iproute2 iputils-ping nftables openssl openvswitch-switch procps python3 python3-venv tcpdump tshark)
# What IPsec needs besides.
ipsec_packages=(charon-systemd libcharon-extra-plugins libstrongswan-standard-plugins strongswan-swanctl)
policy=/usr/sbin/policy-rc.d
units=/etc/systemd/system

# `su` without `-` keeps the PATH of an ordinary user.
for folder in /usr/local/sbin /usr/sbin /sbin; do
    case :$PATH: in *:$folder:*) ;; *) PATH=$PATH:$folder ;; esac
done
export PATH

# distribution: the machine's, such as `debian12`.
distribution() { (. /etc/os-release 2>/dev/null && echo "${ID:-}${VERSION_ID:-}") || true; }

check_machine() {
    [ "$(id -u)" = 0 ] || fail "must run as root: it installs packages and makes network namespaces: sudo $0 $command"
    case $(distribution) in
        debian12 | debian13 | ubuntu24.04) ;;
        *) fail "this machine runs '$(distribution)'; tested, and supported, are $tested" ;;
    esac
    command -v apt-get >/dev/null || fail "apt-get is missing; it installs the packages on $tested"
}

missing_packages() {
    local package
    for package; do
        case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in ii*) ;; *) echo "$package" ;; esac
    done
}

# with_ipsec ARGUMENT...: has set-up install what IPsec needs, if the arguments ask for it.
with_ipsec() {
    case " $* " in *" --protection ipsec "* | *" --protection=ipsec "*) packages+=("${ipsec_packages[@]}") ;; esac
}

# require_packages PACKAGE...: installs those that are missing, and says so before.
require_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "apt installs ${missing[*]}, and what these depend on."
    echo "Services that they bring are left off; those of the host stay as they are."
    step "Debian packages" "apt could not install ${missing[*]}." install_packages "${missing[@]}"
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    local apt=(apt-get -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=30) before
    dpkg --configure -a
    "${apt[@]}" update || true # one unreachable source need not matter: the next command tells
    before=$(enabled_units)
    hold_services
    "${apt[@]}" install --no-install-recommends "$@"
    disable_units "$before" "$@"
}

# hold_services: until this shell ends, a package that is installed starts no service that does not run already.
hold_services() {
    local owner=$BASHPID
    [ ! -e "$policy" ] || return 0 # somebody has decided already
    trap 'rm -f "$policy"' EXIT
    cat >"$policy" <<END
#!/bin/sh
# Written by ryu_pmipls' ./run while it installs packages. Without that process it removes itself.
[ -e /proc/$owner ] || { rm -f "\$0"; exit 0; }
for word; do systemctl --quiet is-active "\$word" && exit 0; done
exit 101
END
    chmod 755 "$policy"
}

# enabled_units: the links by which targets of systemd start units at boot.
enabled_units() { find "$units" -path "*.target.wants/*" -type l 2>/dev/null | sort; }

# disable_units BEFORE PACKAGE...: disables what the packages have enabled beyond the links BEFORE. The administrator may
# enable it; an upgrade of the packages does not.
disable_units() {
    local before=$1 link shipped
    shift
    shipped=$(dpkg-query -L "$@" | sed -n 's,.*/systemd/system/,,p')
    for link in $(comm -13 <(echo "$before") <(enabled_units)); do
        ! grep -qxF "$(basename "$(readlink "$link")")" <<<"$shipped" || rm -v "$link"
    done
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
}
