#!/bin/sh
# Make the virtual environment $1 with the newest Python that can, and install this checkout into it with its extras.
# A shim on PATH may name a Python that is not there, and Debian's has no venv without python3-venv: so each is tried.
set -eu
environment=$1
wanted='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

if ! "$environment/bin/python" -c "$wanted" 2>/dev/null; then
    for python in python3.14 python3.13 python3.12 python3.11 python3 /usr/bin/python3 none; do
        "$python" -c "$wanted" 2>/dev/null && break
    done
    if [ "$python" = none ]; then
        echo "environment: no Python 3.11 or later with venv was found: apt-get install python3-venv" >&2
        exit 2
    fi
    "$python" -m venv --clear "$environment"
fi
"$environment/bin/python" -m pip install --quiet --editable '.[all,dev]' || {
    echo "environment: pip could not install the dependencies, see above" >&2
    exit 2
}
"$environment/bin/python" -c 'import libvirt' || {
    echo "environment: libvirt-python does not load; is libvirt0 as old as the libvirt-dev it was built with?" >&2
    exit 2
}
