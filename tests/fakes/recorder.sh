#!/bin/sh
# Writes down its arguments and its environment, where it lies.
printf '%s\0' "$@" >"${0%/*}/arguments"
/usr/bin/env -0 >"${0%/*}/variables"
