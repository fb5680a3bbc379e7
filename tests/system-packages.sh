#!/bin/sh
# Install the Debian packages named as arguments where they are missing: as root on Debian, and nowhere else.
# Elsewhere the tests that need them skip and say so; with CI=true they fail.
# Services stay stopped: a test machine shall not get a running sshd from a test run.
set -eu

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 0

missing=""
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing Debian packages for the tests:$missing"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # words on purpose
apt-get install -qq -y --no-install-recommends $missing >/dev/null ||
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null; } ||
    echo "could not install$missing: the tests that need them will skip" >&2
