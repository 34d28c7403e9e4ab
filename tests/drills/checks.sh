#!/usr/bin/env bash
# How drills check: one line for each, PASS or FAIL. Sourced by drills, not run; `folder` is a folder of the
# drill's own.

failures=0
folder=${folder:?a folder of its own}
# check WHAT COMMAND...: one line. The command ends at the first thing in it that fails, which is told.
check() {
  local what=$1 ended=0
  shift
  set +e
  (
    trap - EXIT
    trap 'echo "failed: $BASH_COMMAND"' ERR
    set -e
    "$@"
  ) >"$folder/said" 2>&1 </dev/null
  ended=$?
  set -e
  if [ "$ended" -eq 0 ]; then
    echo "PASS  $what"
  else
    failures=$((failures + 1))
    echo "FAIL  $what: $(tail -n 12 "$folder/said" | tr '\n' '|')"
  fi
}

# is WANTED GOT [WHAT]: or it says what it is.
is() { [ "$1" = "$2" ] || { echo "${3:-it} is not ${1@Q} but ${2@Q}"; return 1; }; }

# has TEXT PATTERN: a line of the text is like that; `lacks`: none is.
has() { grep -qE -- "$2" <<<"$1" || { echo "no ${2@Q} in: $1"; return 1; }; }
lacks() { ! grep -E -- "$2" <<<"$1"; }

# eventually SECONDS COMMAND...: it succeeds within that time. Of a function, only the end tells whether it
# did, for bash passes over what fails in between.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { echo "never: $*"; "$@"; return 1; }
    sleep 0.5
  done
}
