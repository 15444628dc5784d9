#!/bin/sh
# Makes .venv and installs Proffer into it, editable.
#
#   sh scripts/venv.sh demo    what Proffer needs to run
#   sh scripts/venv.sh test    that, and what its tests and checks need
#
# Quick when nothing changed: a stamp in .venv holds the place of the checkout
# and the checksum of pyproject.toml.  PYTHON=... chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

kind=$1
case $kind in
demo) extras= ;;
test) extras='[batch,test,dev]' ;;
*) echo "scripts/venv.sh: say demo or test, not '$kind'" >&2; exit 2 ;;
esac

stamp=.venv/.proffer-$kind
state="$(pwd) $(cksum <pyproject.toml)"
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    exit 0
fi

# A name on PATH may be a shim without an interpreter behind it: ask each.
suitable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        if suitable "$python"; then
            echo "$python"
            return
        fi
    done
    echo "Proffer needs Python 3.11 or newer; ${PYTHON:-python3} is not, or is missing." >&2
    echo "Install one, or name it:  make $kind PYTHON=python3.12" >&2
    return 1
}

# The scripts of an environment hold its place: a moved one is made anew.
if ! suitable .venv/bin/python || ! grep -qsF "$(pwd)/.venv/bin/" .venv/bin/pip; then
    python=$(find_python)
    "$python" -m venv --clear .venv || {
        rm -rf .venv
        echo "$python cannot make a virtual environment." >&2
        echo "On Debian or Ubuntu:  apt-get install python3-venv" >&2
        exit 1
    }
fi

echo "Installing Proffer into .venv (once; well under a minute on a good line) ..."
.venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".$extras"

echo "$state" >.venv/.proffer-demo
[ "$kind" = demo ] || echo "$state" >"$stamp"
