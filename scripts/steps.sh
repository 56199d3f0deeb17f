# Steps of set-up: each with a title, the seconds it took, and, when it fails, what the tool said.
# shellcheck shell=bash

# The process that shows the time while a step runs on a terminal.
ticker=
trap '[ -z "$ticker" ] || kill "$ticker" 2>/dev/null || true' EXIT

fail() {
    printf '\n%s\n' "run: $*" >&2
    exit 1
}

# complaints: of a tool's output, the lines that tell why it failed; the last ones when none says so.
complaints() {
    local text found
    text=$(sed -E 's/.*\r//; s/Retrying \(Retry\([^)]*\)\)/Retrying/; s/<[^>]* object at 0x[^>]*>: //; /^[[:space:]]*$/d' | cut -c 1-300)
    found=$(grep -E '^ *(ERROR|E|W|Err|[Ee]rror|[Ff]atal|dpkg|mmdebstrap|WARNING: Retrying)\b' <<<"$text") || found=$text
    awk '!seen[$0]++' <<<"$found" | tail -n 8 | sed 's/^ */    /'
}

# diagnosis: what the doctor finds wrong with this machine, if there is a Python; -S: the checkout's, not one installed.
diagnosis() {
    local found
    found=$(cd "$checkout" && "${PYTHON:-python3}" -S -m ryu_pmipls.doctor --faults 2>/dev/null) || true
    [ -z "$found" ] || printf '\n%s\n%s' "The doctor finds:" "$found"
}

# step TITLE FAILURE COMMAND...: runs a command with its output in the log, and shows how long it takes.
step() {
    local title=$1 failure=$2 start=$SECONDS status=0 logged
    shift 2
    printf '  %-28s' "$title"
    if [ -t 1 ]; then
        (while sleep 1 && kill -0 $$; do printf '\r  %-28s%4d s' "$title" $((SECONDS - start)); done) 9>&- 2>/dev/null &
        ticker=$!
    fi
    printf '\n== %s\n' "$title" >>"$log"
    logged=$(stat -c %s "$log")
    set +e
    (set -e; "$@") >>"$log" 2>&1 </dev/null 9>&-
    status=$?
    set -e
    if [ -n "$ticker" ]; then
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        ticker=
        printf '\r  %-28s' "$title"
    fi
    if [ $status -ne 0 ]; then
        echo "failed"
        fail "$failure It said:"$'\n'"$(tail -c +$((logged + 1)) "$log" | complaints)"$'\n'"All of it is in $log.$(diagnosis)"
    fi
    printf '%4d s\n' $((SECONDS - start))
}
