#!/bin/sh
# Installs what the tests drive and pip cannot bring: a browser with Chinese fonts, and a broker that is not ours.
set -eu
wanted=""
command -v chromium >/dev/null 2>&1 || wanted="$wanted chromium"
[ -x /usr/sbin/mosquitto ] || command -v mosquitto >/dev/null 2>&1 || wanted="$wanted mosquitto"
[ -d /usr/share/fonts/opentype/noto ] || wanted="$wanted fonts-noto-cjk"
[ -z "$wanted" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Tests need:$wanted. This system has no apt-get: install them by its own means, then run 'make test' again." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo"
else
    echo "Tests need:$wanted. You are not root, so please run: sudo apt-get install --no-install-recommends$wanted" >&2
    exit 1
fi
echo "Installing what the tests need:$wanted"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -qq -y --no-install-recommends $wanted >/dev/null
