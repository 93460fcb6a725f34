#!/bin/sh
# What the tests need beside Python packages. With apt and as root: Debian's chromium and
# PostgreSQL. Elsewhere: Playwright's own browser; the tests on PostgreSQL skip and say so.
have_browser() { command -v chromium >/dev/null 2>&1; }
have_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1; }

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    wanted=""
    have_browser || wanted="chromium"
    have_postgres || wanted="$wanted postgresql"
    if [ -n "$wanted" ]; then
        apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q $wanted >/dev/null
    fi
fi
have_browser || exec "$1" -m playwright install --with-deps chromium
