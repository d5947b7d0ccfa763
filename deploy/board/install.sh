#!/bin/sh
# Installs lookdown's onboard process on this board, or brings it to the version of this bundle. Needs no network.
#
# usage: sudo ./install.sh [--key PUBLIC.pem] [--prefix DIR] [--no-service]
#   --key         the public key that you trust; without it the bundle's own is taken, which shows damage, not forgery
#   --prefix      where to install (default /opt/lookdown)
#   --no-service  no user, no systemd unit: programs and configuration alone (needs no root)
#
# /etc/lookdown/flight.toml (with --no-service: PREFIX/etc/flight.toml) is kept when it is there; a new one gets its
# checksums beside it, to be written anew after each change: sha256sum flight.toml >flight.toml.sha256. The last version
# stays at PREFIX/previous; to go back: mv PREFIX/previous PREFIX/current and restart.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
key=$here/signing-key.pub.pem prefix=/opt/lookdown service=yes trusted=no
while [ $# -gt 0 ]; do
    case $1 in
        --key) key=${2:?--key needs a file}; trusted=yes; shift 2 ;;
        --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
        --no-service) service=no; shift ;;
        -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "install.sh: unknown argument $1; see ./install.sh --help" >&2; exit 2 ;;
    esac
done
fail() { echo "install.sh: $*" >&2; exit 1; }

[ "$(uname -m)" = aarch64 ] || fail "this bundle is for aarch64, this machine is $(uname -m)"
for tool in openssl sha256sum python3; do
    command -v $tool >/dev/null || fail "$tool is missing: sudo apt install openssl coreutils python3"
done
[ $service = no ] || [ "$(id -u)" = 0 ] || fail "needs root for the service: sudo ./install.sh, or --no-service"

cd "$here"
echo "install.sh: checking signature and files"
openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig >/dev/null 2>&1 ||
    fail "the signature does not fit $key: the bundle was altered, or signed by another"
sha256sum --quiet --strict -c SHA256SUMS >&2 || fail "a file is damaged (named above); copy the bundle again"
[ $trusted = yes ] || echo "install.sh: signature checked with the bundle's own key; give yours with --key"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "needs Python 3.11 or later, found $(python3 -V)"
python3 -c 'import ctypes; ctypes.CDLL("libstdc++.so.6")' 2>/dev/null ||
    fail "libstdc++.so.6 is missing, which NumPy and OpenCV need: sudo apt install libstdc++6"
tag=cp$(python3 -c 'import sys; print("%d%d" % sys.version_info[:2])')
ls wheelhouse/numpy-*-"$tag"-*.whl >/dev/null 2>&1 || fail "has no libraries for $(python3 -V); for 3.11 and 3.13 alone"

part=$(sed -n 's/^CPU part[^0]*//p' /proc/cpuinfo | sort -u | head -n 1)
case $part in
    0xd08) build=cortex-a72 ;; # Raspberry Pi 4, Compute Module 4
    0xd0b) build=cortex-a76 ;; # Raspberry Pi 5
    *) build=portable ;;
esac
echo "install.sh: $build build for CPU part ${part:-unknown}, $(python3 -V)"

new=$prefix/new
rm -rf "$new"
mkdir -p "$prefix"
echo "install.sh: laying out the libraries"
python3 -m venv --without-pip "$new"
"$new/bin/python" "$(echo wheelhouse/pip-*.whl)/pip" install -q --no-index --no-cache-dir --find-links wheelhouse \
    --disable-pip-version-check --no-warn-script-location --no-compile builds/$build/*.whl
# The service may not write here: what is not compiled now would be compiled at each start. Tests of libraries never run.
echo "install.sh: compiling"
"$new/bin/python" -m compileall -q -j 0 -x '/tests?/' "$new"/lib/python3*/site-packages ||
    fail "the libraries cannot be compiled; $prefix/current is as it was"
echo "install.sh: trying"
"$new/bin/python" -c 'import lookdown.flight.__main__, lookdown.flight.live, lookdown.flight.report' ||
    fail "what was installed does not run; $prefix/current is as it was"
# Scripts name the folder that they were installed to; the folder moves.
sed -i "1s#$new/bin#$prefix/current/bin#" "$new"/bin/lookdown-*

if [ $service = yes ]; then config=/etc/lookdown; else config=$prefix/etc; fi
mkdir -p "$config"
if [ ! -e "$config/flight.toml" ]; then
    cp flight.toml "$config/flight.toml"
    (cd "$config" && sha256sum flight.toml >flight.toml.sha256) # held against the file at each start
fi
cp flight.toml "$config/flight.toml.default"

[ $service = no ] || systemctl stop lookdown-flight.service 2>/dev/null || :
rm -rf "$prefix/previous"
[ ! -e "$prefix/current" ] || mv "$prefix/current" "$prefix/previous"
mv "$new" "$prefix/current"

if [ $service = yes ]; then
    id lookdown >/dev/null 2>&1 || useradd --system --home-dir /var/lib/lookdown --shell /usr/sbin/nologin lookdown
    sed "s#@PREFIX@#$prefix#" lookdown-flight.service >/etc/systemd/system/lookdown-flight.service
    systemctl daemon-reload
    systemctl enable lookdown-flight.service
    if ! systemctl start lookdown-flight.service; then
        echo "install.sh: the service does not start; its last words:" >&2
        journalctl -u lookdown-flight.service -n 12 -o cat --no-pager >&2 || :
        [ -e "$prefix/previous" ] || fail "nothing was installed before; $prefix/current is left to be looked at"
        systemctl stop lookdown-flight.service || :
        rm -rf "$prefix/failed"
        mv "$prefix/current" "$prefix/failed"
        mv "$prefix/previous" "$prefix/current"
        systemctl reset-failed lookdown-flight.service || :
        systemctl start lookdown-flight.service || fail "neither does the version before"
        fail "the version before runs again; what does not start lies in $prefix/failed"
    fi
    echo "install.sh: running; see: systemctl status lookdown-flight; settings: $config/flight.toml, and their checksums:" \
        "cd $config && sha256sum flight.toml >flight.toml.sha256"
else
    echo "install.sh: done; start with: $prefix/current/bin/lookdown-flight run --config $config/flight.toml"
fi
