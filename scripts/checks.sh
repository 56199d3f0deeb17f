# The checks: style, types and tests; with the locked versions of all packages, or the newest.
# shellcheck shell=bash

suite_time="10 to 15 minutes on two cores" # all tests

# check NAME COMMAND...: runs a check, and notes in `verdicts` what came of it.
check() {
    local name=$1 verdict=passed
    shift
    rm -f "$venv/setup/tests.xml"
    echo
    echo "== $name"
    "$@" || verdict=FAILED
    verdicts+=("$(printf '%-12s %s%s' "$name" "$verdict" "$(count_tests)")")
}

# run_pytest ARGUMENT...: its last line has the counts, and so has `verdicts`.
run_pytest() { python -m pytest --junit-xml="$venv/setup/tests.xml" "$@"; }

# count_tests: counts of the tests that run_pytest has just run, if it has.
count_tests() {
    local report=$venv/setup/tests.xml
    [ -e "$report" ] || return 0
    python - "$report" <<'END'
import sys
from xml.etree import ElementTree

count = {name: int(value) for name, value in ElementTree.parse(sys.argv[1]).getroot()[0].items() if value.isdigit()}
others = {"failed": count["failures"], "errors": count["errors"], "skipped": count["skipped"]}
counts = {"passed": count["tests"] - sum(others.values())} | others
print(": " + ", ".join(f"{number} {what}" for what, number in counts.items() if number or what == "passed"))
END
    rm -f "$report"
}

check_style() {
    local status=0
    ruff check . || status=1
    ruff format --check . || status=1
    return $status
}

# report_verdicts: the checks and what came of them; 1 when one has failed.
report_verdicts() {
    echo
    printf '%s\n' "${verdicts[@]}"
    case ${verdicts[*]} in *FAILED*) return 1 ;; esac
}

# tests [ARGUMENT...]: all checks, one after another whatever comes of them.
tests() {
    setup test
    cd "$checkout"
    if [ $# -eq 0 ]; then echo "Style and types take about a minute, all tests $suite_time."; fi
    local verdicts=()
    check style check_style
    check types mypy
    check tests run_pytest "$@"
    report_verdicts
}

# newest: type check and unit tests with the newest versions that setup.cfg allows, in an environment for this once.
newest() {
    choose_python
    local verdicts=() folder failure="pip could not install it."
    folder=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$folder'" EXIT
    venv=$folder/venv
    echo "The newest versions in an environment for this once (Python $version) take about three minutes (log: $log)."
    step "virtual environment" "$python cannot make a virtual environment in $venv." make_venv
    step "newest versions" "$failure" install_newest "$folder"
    export PATH=$venv/bin:$PATH
    cd "$checkout"
    echo "Not as locked:"
    comm -13 <(sed -nE 's/^([^ #]+==[^ ]+).*/\1/p' requirements/python"$version"*.txt | sort) \
        <(pip list --format freeze | tr 'A-Z_.' 'a-z-.' | grep -vE '^(pip|ryu-pmipls)==' | sort)
    check types mypy --cache-dir "$folder/mypy"
    check "unit tests" run_pytest -q -p no:cacheprovider tests/unit
    report_verdicts
}

install_newest() {
    mkdir "$1/sources"
    copy_sources "$1/sources"
    pip install --require-hashes --no-deps --requirement "$build_lock"
    pip install --no-build-isolation "$1/sources[rms,security,test]"
}

# lock: renews the lock files, then runs all checks with them.
lock() {
    choose_python
    local folder
    folder=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$folder'" EXIT
    "$python" -m venv "$folder" && "$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv ||
        fail "uv, which makes the lock files, could not be installed"
    "$folder/bin/python" "$checkout/scripts/lock.py" --uv "$folder/bin/uv"
    rm -rf "$folder"
    tests "$@"
}
