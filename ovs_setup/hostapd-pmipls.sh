#!/bin/sh
# Tells the agent of a MAG which stations join and leave an access point. An action script for hostapd_cli, which runs
# it as "SCRIPT INTERFACE EVENT STATION ...", one event at a time:
#
#     hostapd_cli -B -i wlan0 -a /path/to/hostapd-pmipls.sh
#
# Where stations authenticate (802.1X), the MAG is told the identity that the access point has accepted: by it the MAG
# knows a station whatever link-layer address that has given itself. Otherwise it knows it by that address. What goes
# wrong is said on stderr and in the system's log.
#
#   PMIPLS_AGENT        the agent's Unix socket (default: the only /run/pmipls-*/control.sock), or the address of its
#                       REST, if it is on another host: https://192.0.2.21:8081
#   PMIPLS_TOKEN_FILE   a file with a token of the agent, for its address (pmipls token create NAME --role operate
#                       --node MAG, on the agent's host)
#   PMIPLS_CA           the file of the authority that has certified the agent, for https (default: the host's own)
#   PMIPLS_ACCESS_PORT  the MAG's access port behind which the access point is (default: INTERFACE)
set -u

fail() {
    echo "hostapd-pmipls: $*" >&2
    logger -t hostapd-pmipls -- "$*" 2>/dev/null
    exit 1
}

interface=${1:-} event=${2:-} station=${3:-}
case $event in
    AP-STA-CONNECTED) command=attach ;;
    AP-STA-DISCONNECTED) command=detach ;;
    *) exit 0 ;;
esac
port=${PMIPLS_ACCESS_PORT:-$interface}
case $port$station in
    *[!A-Za-z0-9:._-]*) fail "$event: '$port' is no access port, or '$station' no station" ;;
esac

agent=${PMIPLS_AGENT:-}
if [ -z "$agent" ]; then
    set -- /run/pmipls-*/control.sock
    [ $# -eq 1 ] && [ -S "$1" ] || fail "$event: not just one agent runs here; PMIPLS_AGENT has to say where it is"
    agent=$1
fi
case $agent in
    http://* | https://*) set -- "$agent/v1/$command" ;;
    *) set -- --unix-socket "$agent" "http://localhost/v1/$command" ;;
esac
# User-Name of the Access-Accept, else the EAP identity. Of a station that has left nothing is known any more.
known=
if [ "$command" = attach ]; then
    known=$(hostapd_cli -i "$interface" sta "$station" 2>/dev/null | sed -n 's/^dot1xAuthSessionUserName=//p')
    case $known in
        *[[:cntrl:]]*) fail "$event: the identity of $station has control characters" ;;
    esac
fi
identity=
[ -z "$known" ] || identity="\"identifier\": \"$(printf %s "$known" | sed 's/[\\"]/\\&/g')\", "
# What is secret is not for the arguments, which anybody on this host can see.
settings() {
    [ -z "${PMIPLS_CA:-}" ] || printf 'cacert = "%s"\n' "$PMIPLS_CA"
    [ -z "${PMIPLS_TOKEN_FILE:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$(cat "$PMIPLS_TOKEN_FILE")"
}
answer=$(settings | curl -sS --fail-with-body --max-time 5 -K - -H 'Content-Type: application/json' \
    -d "{${identity}\"access_port\": \"$port\", \"link_layer_address\": \"$station\"}" "$@" 2>&1) ||
    fail "$command $station at $port: $answer"
