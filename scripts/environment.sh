# Sourced by ./run and ./test from the root: makes .venv from the hashed locks, or sees at once that it is there.
# It needs a Python >= 3.11 with venv, and a package registry as pip is configured for it. Sets $python.
#
# Each lock that was installed is kept as a copy inside .venv: the environment is right when the copies are the same as
# the files. The runtime pins are part of the dev lock, so installing either never takes anything from the other.

venv=.venv
python=$venv/bin/python

say() {
    printf '%s\n' "$*" >&2
}

find_python() {
    found_old=
    for candidate in ${HEADGATE_PYTHON:+"$HEADGATE_PYTHON"} python3 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
                printf '%s\n' "$candidate"
                return 0
            fi
            say "$candidate is new enough but cannot make environments: its venv module is missing" \
                "(on Debian and Ubuntu: apt install python3-venv)."
        elif command -v "$candidate" >/dev/null 2>&1 && "$candidate" --version >/dev/null 2>&1; then
            found_old="$found_old $candidate"
        fi
    done
    say "Headgate needs Python 3.11 or newer with its venv module, and found none on the PATH."
    [ -z "$found_old" ] || say "Too old or incomplete:$found_old."
    say "Install one, or name it: HEADGATE_PYTHON=/path/to/python3.12 $0"
    return 1
}

installed() {
    [ -x "$python" ] && cmp -s "$1" "$venv/$1"
}

make_venv() {
    [ -x "$python" ] && "$python" -c '' 2>/dev/null && return 0
    maker=$(find_python) || exit 78
    say "Making $venv with $("$maker" --version 2>&1) ..."
    rm -rf "$venv"
    "$maker" -m venv "$venv"
}

install_lock() {
    make_venv
    rm -f "$venv/$1"
    say "Installing $1 ..."
    if ! "$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r "$1"; then
        say "Could not install $1. If the registry cannot be reached, tell pip which one to use" \
            "(pip config set global.index-url ..., or PIP_INDEX_URL) and start again."
        exit 1
    fi
    link_project
    cp "$1" "$venv/$1"
}

# The project itself needs no build: a path file makes src importable, a two-line script is the command.
link_project() {
    site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' ../../../../src >"$site/headgate.pth"
    printf '%s\n' '#!/bin/sh' 'exec "$(dirname "$0")/python" -m headgate "$@"' >"$venv/bin/headgate"
    chmod +x "$venv/bin/headgate"
}

need_runtime() {
    installed requirements.lock || install_lock requirements.lock
}

need_dev() {
    installed requirements-dev.lock || install_lock requirements-dev.lock
    installed requirements.lock || install_lock requirements.lock
}

# The client libraries of tests/clients, beside the rest because they want older SDKs.
need_clients() (
    venv=.venv-clients
    python=$venv/bin/python
    installed requirements-clients.lock || install_lock requirements-clients.lock
)
