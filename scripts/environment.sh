# The virtual environment: Ryu and all else from the lock files in requirements/, and this checkout's code.
# shellcheck shell=bash

venv=$(realpath -m "${VENV:-$checkout/.venv}")
sources=(LICENSE README.md pyproject.toml setup.cfg setup.py ryu_pmipls ovs_setup topologies)
build_lock=$checkout/requirements/build.txt
wheel_age=30 # days after which wheels that no set-up has used are removed

# unchanged STAMP KEY: whether the step of that name was completed for that key; complete STAMP KEY notes it.
unchanged() { [ "$(cat "$venv/setup/$1" 2>/dev/null)" = "$2" ]; }
complete() { mkdir -p "$venv/setup" && printf '%s\n' "$2" >"$venv/setup/$1"; }

hash_of() { cat "$@" | sha256sum | cut -c 1-16; }

choose_python() {
    local wanted=${PYTHON:-python3} found
    python=$(command -v "$wanted") || fail "there is no Python called '$wanted'; name one with PYTHON=/path/to/python3"
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.executable)' 2>/dev/null) ||
        fail "$python does not run; name another with PYTHON=/path/to/python3"
    version=${found%% *}
    python=${found#* }
    case $version in
        3.10 | 3.11 | 3.12 | 3.13) ;;
        *) fail "$python is Python $version; 3.10 to 3.13 are supported. Name another with PYTHON=/path/to/python3" ;;
    esac
}

pip() {
    "$venv/bin/python" -m pip --no-input --disable-pip-version-check --retries 2 "$@"
}

venv_is_sound() {
    [ "$("$venv/bin/python" -c 'import pip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]
}

make_venv() {
    [ -e "$venv/pyvenv.cfg" ] || [ -z "$(ls -A "$venv" 2>/dev/null)" ] || { echo "$venv has other content"; return 1; }
    "$python" -m venv --clear "$venv"
}

# install_locked LOCK: installs what a lock file names. The wheels are kept: hashes are checked, and Ryu is built, once.
# (Runs in the subshell of a step, which removes what is half made.)
install_locked() {
    local lock=$1 wheels
    wheels=$cache/wheels/$(basename "$lock" .txt)-$(uname -m)-$(hash_of "$build_lock" "$lock")
    if [ ! -d "$wheels" ]; then
        mkdir -p "$cache/wheels"
        work=$(mktemp -d "$cache/wheels/.making.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        pip wheel --require-hashes --no-deps --no-build-isolation --wheel-dir "$work" --requirement "$lock"
        mv -T "$work" "$wheels" || [ -d "$wheels" ] # another set-up may have been quicker
    fi
    touch "$wheels"
    find "$cache/wheels" -mindepth 1 -maxdepth 1 -mtime +$wheel_age -exec rm -rf {} +
    pip install --no-index --no-deps "$wheels"/*.whl
}

install_dependencies() {
    pip install --require-hashes --no-deps --requirement "$build_lock"
    install_locked "$1"
    complete dependencies "$2"
}

source_hash() {
    (cd "$checkout" && find "${sources[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum)
}

# copy_sources FOLDER: what a build reads; a build directory in the checkout would bring back files deleted since.
copy_sources() { (cd "$checkout" && cp -a "${sources[@]}" "$1"); }

install_package() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    copy_sources "$work"
    pip wheel --no-deps --no-build-isolation --wheel-dir "$work/dist" "$work"
    pip install --no-index --force-reinstall --no-deps "$work"/dist/ryu_pmipls-*.whl
    pip check # the locks may be older than the ranges in setup.cfg: ./run lock renews them
    complete package "$1"
}

install_test_tools() {
    install_locked "$1"
    complete test-tools "$2"
}

# setup [test]: the package with its RMS, and what it needs; the test tools if wanted.
setup() {
    local lock key failure="pip could not install it."
    check_machine
    command -v "${PYTHON:-python3}" >/dev/null && choose_python # before the long download, if it is there already
    exec 9>>"$log"
    flock -n 9 || { echo "Another set-up is running in $checkout; waiting for it."; flock 9; }
    : >"$log"
    [ "${1:-}" != test ] || packages+=("${ipsec_packages[@]}")
    require_packages "${packages[@]}"
    choose_python
    lock=$checkout/requirements/python$version.txt
    key="$version $(hash_of "$build_lock" "$lock")"
    if ! venv_is_sound || ! unchanged dependencies "$key"; then
        echo "Set-up with Python $version ($python) in $venv takes a minute or two (log: $log)."
        step "virtual environment" "$python cannot make a virtual environment in $venv." make_venv
        step "Ryu and dependencies" "$failure" install_dependencies "$lock" "$key"
    fi
    key=$(source_hash)
    unchanged package "$key" || step "ryu_pmipls" "$failure" install_package "$key"
    lock=${lock%.txt}-test.txt
    key=$(hash_of "$lock")
    [ "${1:-}" != test ] || unchanged test-tools "$key" || step "test tools" "$failure" install_test_tools "$lock" "$key"
    exec 9>&-
    export PATH=$venv/bin:$PATH
}
