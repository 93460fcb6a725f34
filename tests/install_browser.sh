#!/bin/sh
# A browser for the tests: one that is there, else Debian's chromium, else Playwright's own.
command -v chromium >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q chromium >/dev/null && exit 0
fi
exec "$1" -m playwright install --with-deps chromium
