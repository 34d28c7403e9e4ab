#!/usr/bin/env bash
# install.sh in homes, with a crontab, a systemctl and a session-warden of the drill's own: nothing of
# this machine is asked or changed. All of it with dash and with bash as sh, in paths with and without
# spaces. One line per check, PASS or FAIL; the end is 1 if one failed. A tool that is missing fails too.
#
# usage: tests/drills/install.sh
#
# What a check asks is evaluated where it is asked, so it stands in single quotes:
# shellcheck disable=SC2016
set -euo pipefail
installer=$(realpath -- "$(dirname "$0")/../../install.sh")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
chmod 755 "$folder"

failures=0 passes=0
pass() { printf 'PASS  %s\n' "$context: $1"; passes=$((passes + 1)); }
fail() {
  printf 'FAIL  %s: exit code %s; %s\n' "$context: $1" "${code:-?}" "$(cat "$box/out" "$box/err" 2>/dev/null | tail -n 8 | tr '\n\r' '| ')"
  failures=$((failures + 1))
}
# check WHAT COMMAND...: PASS if it succeeds.
check() {
  local what=$1
  shift
  if "$@"; then pass "$what"; else fail "$what"; fi
}

# ---- What is faked.

tools='bash cat chmod cp dirname env find grep head ln ls mkdir mv rm rmdir sed sort tail touch tr wc'
fakes() {
  local tool
  mkdir -p "$box/path"
  for tool in $tools; do ln -s "$(command -v "$tool")" "$box/path/$tool"; done
  ln -s "$shell" "$box/path/sh"
  cat >"$box/path/id" <<'END'
#!/bin/sh
echo "${FAKE_UID:-1000}"
END
  cat >"$box/path/crontab" <<'END'
#!/bin/sh
echo "crontab $*" >>"$STATE/calls"
case $1 in
  -l)
    [ -f "$STATE/crontab" ] || { echo "crontab: can't open 'me': No such file or directory" >&2; exit 1; }
    cat "$STATE/crontab"
    ;;
  -r) rm -f "$STATE/crontab" ;;
  -)
    [ -z "${FAIL_CRONTAB:-}" ] || { cat >/dev/null; echo 'spool is full' >&2; exit 1; }
    cat >"$STATE/next"
    # As the real ones have it.
    [ -z "$(tail -c 1 "$STATE/next")" ] || { echo 'missing newline before EOF' >&2; exit 1; }
    # No mv: that is sabotaged.
    cat "$STATE/next" >"$STATE/crontab"
    rm "$STATE/next"
    ;;
  *) exit 64 ;;
esac
END
  cat >"$box/path/systemctl" <<'END'
#!/bin/sh
echo "systemctl $*" >>"$STATE/calls"
scope=system
case $1 in
  --user) scope=user; shift ;;
  --system) shift ;;
esac
if [ "$scope" = user ] && [ -n "${NO_MANAGER:-}" ]; then
  echo 'Failed to connect to bus: No medium found' >&2
  exit 1
fi
unit=$STATE/$scope-timer
case "$*" in
  'is-active cron '*)
    [ -n "${CRON_RUNS:-}" ]
    exit
    ;;
esac
case $1 in
  show-environment) ;;
  is-active) [ "$(cat "$unit" 2>/dev/null)" = enabled ] && echo active || { echo inactive; exit 3; } ;;
  is-enabled) cat "$unit" 2>/dev/null || { echo not-found; exit 4; } ;;
  disable)
    [ "$2 $3 $4" = '--now --no-ask-password claude-session-cleanup.timer' ] || exit 64
    [ -z "${FAIL_DISABLE:-}" ] || { echo 'access denied' >&2; exit 1; }
    [ "$scope" = user ] || [ "${FAKE_UID:-1000}" -eq 0 ] || { echo 'you are not root' >&2; exit 1; }
    echo disabled >"$unit"
    ;;
  *) exit 64 ;;
esac
END
  cat >"$box/path/pidof" <<'END'
#!/bin/sh
[ -z "${NO_CRON:-}${CRON_RUNS:-}" ]
END
  # Of a version, which has other pages than the next one.
  for version in 1 2; do
    {
      echo '#!/bin/sh'
      echo "version=$version"
      cat <<'END'
trap '' PIPE
echo "session-warden $version $*" >>"$STATE/calls"
line='# installed by session-warden schedule: session-warden'
own() { crontab -l 2>/dev/null | grep -vF "$line"; }
case "$1 ${2:-}" in
  '--version ') echo "session-warden 0.$version.0" ;;
  'completions '*) echo "# $2, version $version" ;;
  'man --dir')
    mkdir -p "$3"
    for page in session-warden session-warden-undo "session-warden-only-$version"; do
      echo ".TH $page 1 $version" >"$3/$page.1"
    done
    ;;
  'schedule install')
    [ "$4" = cron ] || mkdir -p "$HOME/.config/systemd/user"
    [ -z "${SCHEDULE_SAYS:-}" ] || { echo 'session-warden: cannot schedule' >&2; exit "$SCHEDULE_SAYS"; }
    case $4 in
      cron) { own; echo "5 * * * * '$0' clean -q $line"; } | crontab - ;;
      systemd-user) touch "$STATE/own-timer" ;;
      *) exit 2 ;;
    esac
    echo "added a schedule, by $4"
    [ -z "${SIGNAL:-}" ] || kill -s "$SIGNAL" "$PPID"
    ;;
  'schedule uninstall')
    [ -z "${SCHEDULE_SAYS:-}" ] || exit "$SCHEDULE_SAYS"
    own >"$STATE/kept"
    if [ -s "$STATE/kept" ]; then crontab - <"$STATE/kept"; else crontab -r; fi
    rm -f "$STATE/own-timer" "$STATE/kept"
    rmdir -p "$HOME/.config/systemd/user" 2>/dev/null
    true
    ;;
  'schedule status')
    [ "$3" = --json ] || exit 64
    method=''
    if crontab -l 2>/dev/null | grep -qF "$line"; then method=cron; fi
    if [ -f "$STATE/own-timer" ]; then method=systemd-user; fi
    echo "{\"schema\":1,\"installed\":[${method:+{\"method\":\"$method\",\"name\":\"x\"\}}],\"last_run\":null}"
    ;;
  *) exit 64 ;;
esac
END
    } >"$box/session-warden-$version"
  done
  printf '#!/bin/sh\nexit 0\n' >"$box/other-program"
  printf '#!/bin/sh\necho "no libc of that version" >&2\nexit 1\n' >"$box/broken"
  printf '#!/bin/sh\n' >"$box/not-executable"
  chmod +x "$box"/path/{id,crontab,systemctl,pidof} "$box"/session-warden-? "$box/other-program" "$box/broken"
  chmod -x "$box/not-executable"
}

# An empty home, no crontab, no timer, no calls.
fresh() {
  rm -rf -- "$home" "$box/state" "$box/tmp"
  mkdir -p "$home" "$box/state" "$box/tmp"
  : >"$state/calls"
}

# warden WORDS...: runs install.sh as the shell has it, without a terminal. In `extra`: variables.
extra=()
environment() { env -i PATH="$box/path" HOME="$home" STATE="$state" TMPDIR="$box/tmp" "${extra[@]}" "$@"; }
warden() {
  code=0
  environment "$shell" "$source/install.sh" "$@" >"$box/out" 2>"$box/err" </dev/null || code=$?
}
# with NAME=VALUE... -- WORDS...
with() {
  extra=()
  while [ "$1" != -- ]; do
    extra+=("$1")
    shift
  done
  shift
  warden "$@"
  extra=()
}
# on_terminal TYPED WORDS...
on_terminal() {
  local typed=$1 line
  shift
  line=$(printf '%q ' env -i PATH="$box/path" HOME="$home" STATE="$state" TMPDIR="$box/tmp" "${extra[@]}" \
    "$shell" "$source/install.sh" "$@")
  code=0
  : >"$box/err"
  : >"$box/out"
  # What is typed before somebody reads may be lost, so it waits for what comes out.
  # shellcheck disable=SC2094
  {
    for _ in $(seq 100); do
      grep -qF ']:' "$box/out" && break
      [ -n "$typed" ] || break
      sleep 0.05
    done
    printf '%b' "$typed"
  } | SHELL=$(command -v bash) timeout 60 script -qfec "$line" /dev/null >"$box/out" 2>&1 || code=$?
}

# Every file below the home with its kind, mode and bytes, the crontab, and whatever else lies about.
snapshot() {
  (
    cd "$box"
    find home* tmp -printf '%p %y %m %l\n' | sort
    find home* -type f -print0 | sort -z | xargs -0 -r cksum
    if [ -f "$state/crontab" ]; then cksum <"$state/crontab"; fi
    find "$state" ! -name calls -printf '%f\n' | sort
    find "$source" -newer "$box/start" | grep -vx "$source" || :
  )
}
keep() { before=$(snapshot); }
is_as_before() { [ "$(snapshot)" = "$before" ]; }
exits() { [ "$code" -eq "$1" ]; }
said() { grep -qF -- "$1" "$box/out"; }
complained() { grep -qF -- "$1" "$box/err"; }
called() { grep -qxF -- "$1" "$state/calls"; }
never_called() { ! called "$1"; }
mode_is() { [ "$(find "$2" -prune -type f -printf %m)" = "$1" ]; }
version_is() { [ "$("$home/.local/bin/session-warden" --version)" = "session-warden 0.$1.0" ]; }
all() {
  local one
  for one in "$@"; do eval "$one" || return 1; done
}
# One line that says what is wrong, and one that says what to do; nothing else, and nothing has changed.
refused() {
  exits "$1" && complained "$2" && complained '  hint: ' && is_as_before &&
    [ "$(wc -l <"$box/err")" -eq 2 ] && head -n 1 "$box/err" | grep -q '^install.sh: ' && [ ! -s "$box/out" ]
}

everything() {
  local share=$home/.local/share
  for file in "$home/.local/bin/session-warden" "$share/bash-completion/completions/session-warden" \
    "$share/zsh/site-functions/_session-warden" "$share/fish/vendor_completions.d/session-warden.fish" \
    "$share/man/man1/session-warden.1" "$share/man/man1/session-warden-undo.1" \
    "$share/man/man1/session-warden-only-$1.1"; do
    [ -f "$file" ] || return 1
  done
  [ "$(cat "$share/bash-completion/completions/session-warden")" = "# bash, version $1" ] &&
    [ "$(cat "$share/zsh/site-functions/_session-warden")" = "# zsh, version $1" ] &&
    [ "$(cat "$share/fish/vendor_completions.d/session-warden.fish")" = "# fish, version $1" ]
}
home_is_empty() { [ -z "$(ls -A "$home")" ] && [ -z "$(ls -A "$box/tmp")" ]; }
own_lines() { grep -cF '# installed by session-warden schedule' "$state/crontab"; }

# ---- The checks.

the_issue() {
  fresh
  warden --binary "$box/session-warden-1" --yes --cron
  check '--yes --cron installs all of it' all 'exits 0' 'everything 1' '[ ! -s "$box/err" ]'
  check 'and one line in the crontab' all '[ "$(own_lines)" = 1 ]' 'called "session-warden 1 schedule install --method cron"'
  check 'says that the folder is not in PATH' said "$home/.local/bin is not in your PATH"
  check 'leaves no temporary file' test -z "$(find "$home" "$box/tmp" -name 'work.*' -o -path "$box/tmp/*")"
  keep
  warden --binary "$box/session-warden-1" --yes --cron
  check 'again: everything is as it was' all 'exits 0' is_as_before '[ "$(own_lines)" = 1 ]'
  mkdir -p "$home/.config/session-warden" "$home/.local/state/session-warden"
  touch "$home/.config/session-warden/config.toml" "$home/.local/state/session-warden/runs.jsonl"
  warden --uninstall
  check '--uninstall leaves state and configuration, and says where' all 'exits 0' '[ ! -e "$state/crontab" ]' \
    '[ "$(cd "$home" && find . -type f | sort | tr "\n" " ")" = "./.config/session-warden/config.toml ./.local/state/session-warden/runs.jsonl " ]' \
    'said "Kept: $home/.config/session-warden"' 'said "Kept: $home/.local/state/session-warden"'
  rm -rf "$home/.config" "$home/.local/state"
  warden --binary "$box/session-warden-1" --no-schedule
  warden --uninstall
  warden --uninstall
  check '--uninstall again finds nothing' all 'exits 0' 'said "was installed by this script"'
  fresh
  warden --binary "$box/session-warden-1" --yes --cron
  warden --uninstall
  check '--uninstall leaves an empty home empty' all 'exits 0' home_is_empty '[ ! -e "$state/crontab" ]'
}

uninstalling() {
  fresh
  mkdir -p "$home/.local/share/man/man1" "$home/.local/bin" "$home/.local/share/zsh/site-functions"
  touch "$home/.local/share/man/man1/session-warden-notes.1" "$home/.local/bin/other"
  keep
  warden --binary "$box/session-warden-1" --yes --systemd
  check '--systemd asks for the timer' called 'session-warden 1 schedule install --method systemd-user'
  warden --uninstall
  check '--uninstall leaves what was there, folders too' all 'exits 0' is_as_before
  warden --binary "$box/session-warden-1" --yes --systemd
  keep
  with SCHEDULE_SAYS=7 -- --uninstall
  check '--uninstall stops if the schedule stays' all 'exits 7' is_as_before 'complained "cannot remove the schedule"'
  rm "$home/.local/bin/session-warden"
  warden --uninstall
  check '--uninstall without the binary removes the rest' all 'exits 0' 'said "does not run, so a schedule is kept"' \
    '[ ! -e "$home/.local/share/man/man1/session-warden.1" ]' '[ -e "$home/.local/share/man/man1/session-warden-notes.1" ]'
  cp "$box/session-warden-1" "$home/.local/bin/session-warden"
  keep
  warden --uninstall
  check '--uninstall leaves a binary of somebody else' all 'exits 0' is_as_before 'said "was installed by something else"'
  fresh
  warden --binary "$box/session-warden-1" --no-schedule
  touch "$home/mine"
  mkdir "$home/empty"
  printf '%s\n' ../mine share/man/man1/../../../../mine share/man/man1/session-warden-../x.1 share/../../mine \
    "$home/.local/../empty" "$home/empty" >>"$home/.local/share/session-warden/installed"
  warden --uninstall
  check '--uninstall removes nothing else that the list names' all 'exits 0' '[ "$(cd "$home" && echo *)" = "empty mine" ]'
}

upgrading() {
  fresh
  warden --binary "$box/session-warden-1" --yes --cron
  warden --binary "$box/session-warden-2"
  check 'an upgrade replaces all of it, and removes an old page' all 'exits 0' 'everything 2' 'version_is 2' \
    '[ ! -e "$home/.local/share/man/man1/session-warden-only-1.1" ]'
  check 'and keeps the schedule' all '[ "$(own_lines)" = 1 ]' 'said "The existing schedule is kept: cron"' \
    'never_called "session-warden 2 schedule install --method systemd-user"'
  : >"$state/calls"
  warden --binary "$box/session-warden-1" --yes
  check 'with --yes too' all 'exits 0' '[ "$(own_lines)" = 1 ]' '! grep -q "schedule install" "$state/calls"'
  keep
  warden --binary "$box/broken"
  check 'a binary that does not run replaces nothing' all 'exits 1' is_as_before 'complained "no libc of that version"'
  warden --binary "$box/other-program"
  check 'nor does another program' all 'exits 1' is_as_before 'complained "is not session-warden"' 'complained "nothing was changed"'
  rm "$home/.local/bin/session-warden"
  ln -s "$box/session-warden-1" "$home/.local/bin/session-warden"
  keep
  with SCHEDULE_SAYS=5 -- --binary "$box/session-warden-2" --cron
  check 'a link comes back as a link' all 'exits 5' is_as_before
  warden --binary "$box/session-warden-2" --no-schedule
  check 'a link is replaced, not written through' all 'exits 0' '[ ! -L "$home/.local/bin/session-warden" ]' 'grep -q version=1 "$box/session-warden-1"'
  rm "$home/.local/bin/session-warden"
  mkdir "$home/.local/bin/session-warden"
  keep
  warden --binary "$box/session-warden-2"
  check 'a folder in its place is refused' all 'exits 1' is_as_before 'complained "is a folder"'
}

# sabotage TOOL THEN: from now on the tool counts its calls, and at the one in `at` does what THEN says.
sabotage() {
  rm -f "$box/path/$1"
  cat >"$box/path/$1" <<END
#!/bin/sh
real=$(command -v "$1")
count=\$((\$(cat "\$STATE/count") + 1))
echo "\$count" >"\$STATE/count"
if [ "\$count" -ne "\${AT:-0}" ]; then exec "\$real" "\$@"; fi
$2
END
  chmod +x "$box/path/$1"
}
# As long as a run meets that call.
is_met() { [ "$(cat "$state/count")" -ge "$1" ]; }
bring_back() { rm -f "$box/path/$1" && ln -s "$(command -v "$1")" "$box/path/$1"; }

# everywhere WHAT TOOL WANTED PREPARE...: at each call of the tool in turn it goes wrong, until none is
# left; each time all is as it was.
everywhere() {
  local what=$1 tool=$2 wanted=$3 at=0 wrong=''
  shift 3
  while :; do
    at=$((at + 1))
    fresh
    echo 0 >"$state/count"
    "$@"
    echo 0 >"$state/count"
    keep
    with AT="$at" -- --binary "$box/session-warden-2" --cron
    is_met "$at" || break
    echo 0 >"$state/count"
    # The last of them may come when all is done.
    is_as_before && exits "$wanted" && continue
    exits "$wanted" || wrong="$wrong at $at: exit code $code;"
    is_as_before || wrong="$wrong at $at: not as it was;"
  done
  if [ -z "$wrong" ] && [ "$at" -gt 1 ]; then pass "$what, each of $((at - 1))"; else fail "$what:$wrong of $((at - 1))"; fi
  bring_back "$tool"
}
# After each removal in turn it is ended by that signal; a second one finishes it, without a wrong word.
uninstalling_is_ended() {
  local signal=$1 at=0 wrong=''
  sabotage rm '"$real" "$@"; kill -s '"$signal"' "$PPID"'
  while :; do
    at=$((at + 1))
    fresh
    echo 0 >"$state/count"
    warden --binary "$box/session-warden-1" --cron
    echo 0 >"$state/count"
    with AT="$at" -- --uninstall
    is_met "$at" || break
    warden --uninstall
    { exits 0 && [ -z "$(find "$home" -type f)" ] && [ ! -e "$state/crontab" ] && ! said 'is kept'; } || wrong="$wrong at $at;"
    [ "$signal" = KILL ] || home_is_empty || wrong="$wrong at $at: folders;"
  done
  if [ -z "$wrong" ] && [ "$at" -gt 5 ]; then pass "--uninstall finishes what SIG$signal ended, each of $((at - 1))"; else fail "--uninstall after SIG$signal:$wrong of $((at - 1))"; fi
  bring_back rm
}
# What nothing can revert: the next run, of either kind, leaves no part of it.
installing_is_killed() {
  local at=0 wrong=''
  sabotage mv '"$real" "$@"; kill -s KILL "$PPID"'
  while :; do
    at=$((at + 1))
    fresh
    echo 0 >"$state/count"
    with AT="$at" -- --binary "$box/session-warden-1" --cron
    is_met "$at" || break
    echo 0 >"$state/count"
    warden --uninstall
    { exits 0 && [ -z "$(find "$home" -type f)" ]; } || wrong="$wrong at $at: uninstall;"
    echo 0 >"$state/count"
    with AT="$at" -- --binary "$box/session-warden-1" --cron
    echo 0 >"$state/count"
    warden --binary "$box/session-warden-2" --cron
    { exits 0 && everything 2 && [ -z "$(find "$home" -name 'work.*')" ]; } || wrong="$wrong at $at: install;"
  done
  if [ -z "$wrong" ] && [ "$at" -gt 5 ]; then pass "the next run cleans up after SIGKILL, each of $((at - 1))"; else fail "after SIGKILL:$wrong of $((at - 1))"; fi
  bring_back mv
}
# A real one that gets full: more and more room, or files, until the installation succeeds.
full_disk() {
  local kind=$1 step=$2 at=0 wrong='' left
  while [ "$at" -lt 100 ]; do
    at=$((at + 1))
    fresh
    # shellcheck disable=SC2016
    left=$(unshare --mount --propagation private bash -c '
      mount -t tmpfs -o "$1,mode=755" full "$2" || exit 9
      home=$2
      shift 2
      "$@" >&2 </dev/null
      echo "$? $(find "$home" -mindepth 1 | wc -l)"' full "$kind=$((at * step))" "$home" \
      env -i PATH="$box/path" HOME="$home" STATE="$state" "$shell" "$source/install.sh" \
      --binary "$box/session-warden-1" --no-schedule 2>"$box/err") || wrong="$wrong at $at: $left;"
    case $left in
      '0 '*) break ;;
      '1 0') complained 'nothing was changed' || wrong="$wrong at $at: no word;" ;;
      *) wrong="$wrong at $at: $left;" ;;
    esac
  done
  if [ -z "$wrong" ] && [ "$at" -gt 3 ] && [ "$at" -lt 100 ]; then pass "a full disk leaves nothing, by $kind, each of $((at - 1))"; else fail "a full disk, by $kind:$wrong of $((at - 1))"; fi
}
install_one() { warden --binary "$box/session-warden-1" --no-schedule; }

taking_back() {
  local tool
  fresh
  keep
  with SCHEDULE_SAYS=42 -- --binary "$box/session-warden-1" --yes --cron
  check 'a first install whose scheduling fails leaves nothing, and that code' all 'exits 42' is_as_before home_is_empty \
    'complained "session-warden: cannot schedule"' 'complained "scheduling failed"' 'complained "nothing was changed"'
  with SCHEDULE_SAYS=42 -- --binary "$box/session-warden-1" --systemd
  check 'nor folders of units' all 'exits 42' is_as_before home_is_empty
  warden --binary "$box/session-warden-1" --yes --cron
  keep
  with SCHEDULE_SAYS=1 -- --binary "$box/session-warden-2" --cron
  check 'an upgrade whose scheduling fails leaves the old version and its schedule' all 'exits 1' is_as_before 'version_is 1' '[ "$(own_lines)" = 1 ]'
  for signal in TERM INT HUP; do
    fresh
    keep
    with SIGNAL=$signal -- --binary "$box/session-warden-1" --cron
    check "SIG$signal while scheduling leaves nothing" all "exits $((128 + $(kill -l "$signal")))" is_as_before home_is_empty
  done
  local killed='"$real" "$@"; kill -s TERM "$PPID"' full='for to; do :; done; echo half >"$to"; echo "no space left" >&2; exit 1'
  sabotage mv "$killed"
  everywhere 'a first install that is ended after a rename leaves nothing' mv 143 :
  sabotage mv "$killed"
  everywhere 'an upgrade that is ended after a rename leaves the old version' mv 143 install_one
  sabotage cp "$killed"
  everywhere 'an upgrade that is ended after a copy leaves the old version' cp 143 install_one
  for tool in mkdir chmod; do
    sabotage "$tool" "$killed"
    everywhere "a first install that is ended after a $tool leaves nothing" "$tool" 143 :
    sabotage "$tool" 'exit 1'
    everywhere "a first install whose $tool fails leaves nothing" "$tool" 1 :
  done
  uninstalling_is_ended TERM
  uninstalling_is_ended KILL
  installing_is_killed
  # Only root may mount.
  if [ "$(id -u)" -eq 0 ]; then
    full_disk nr_inodes 1
    full_disk size 4096
  fi
  sabotage cp "$full"
  everywhere 'a first install on a full disk leaves nothing' cp 1 :
  sabotage cp "$full"
  everywhere 'an upgrade on a full disk leaves the old version' cp 1 install_one
  sabotage mv 'exit 1'
  everywhere 'an upgrade that cannot rename leaves the old version' mv 1 install_one
}

scheduling() {
  fresh
  warden --binary "$box/session-warden-1"
  check 'without a terminal nothing is scheduled, and it says how' all 'exits 0' 'everything 1' 'said "Nothing is scheduled."' \
    'said "To schedule it, as its user: $home/.local/bin/session-warden schedule install"' '[ ! -e "$state/crontab" ]' '[ ! -e "$state/own-timer" ]'
  fresh
  warden --binary "$box/session-warden-1" --yes
  check '--yes takes systemd if it answers' all 'exits 0' '[ -e "$state/own-timer" ]' '[ ! -e "$state/crontab" ]'
  fresh
  with NO_MANAGER=1 -- --binary "$box/session-warden-1" --yes
  check '--yes takes cron if systemd does not answer' all 'exits 0' '[ ! -e "$state/own-timer" ]' '[ "$(own_lines)" = 1 ]'
  fresh
  with NO_MANAGER=1 CRON_RUNS=1 -- --binary "$box/session-warden-1" --yes
  check 'that cron runs, systemd may report' all 'exits 0' '[ "$(own_lines)" = 1 ]'
  fresh
  with NO_MANAGER=1 NO_CRON=1 -- --binary "$box/session-warden-1" --yes
  check '--yes takes neither if no cron runs' all 'exits 0' 'said "Nothing is scheduled."' '[ ! -e "$state/crontab" ]'
  fresh
  mv "$box/path/crontab" "$box/path/systemctl" "$box"
  warden --binary "$box/session-warden-1" --yes
  mv "$box/crontab" "$box/systemctl" "$box/path"
  check '--yes takes neither if there is neither' all 'exits 0' 'said "Nothing is scheduled."' '! grep -q "schedule install" "$state/calls"'
  fresh
  extra=(PATH="$home/.local/bin:$box/path")
  warden --binary "$box/session-warden-1" --no-schedule
  extra=()
  check '--no-schedule schedules nothing; no hint where the folder is in PATH' all 'exits 0' 'said "Nothing is scheduled."' '! said PATH' \
    '! grep -q "schedule install" "$state/calls"'
  cp "$box/session-warden-2" "$box/path/session-warden"
  extra=(PATH="$box/path:$home/.local/bin")
  warden --binary "$box/session-warden-1" --no-schedule
  extra=()
  rm "$box/path/session-warden"
  check 'another one that comes first in PATH is named' said 'another session-warden is before' 
}

on_a_terminal() {
  fresh
  on_terminal '2\n' --binary "$box/session-warden-1"
  check 'on a terminal: 2 is cron' all 'exits 0' 'said "1  systemd timer (recommended)"' 'said "2  cron"' 'said "3  neither"' \
    '! said "cron (rec"' '[ "$(own_lines)" = 1 ]' 'called "session-warden 1 schedule install --method cron"'
  keep
  on_terminal '\n' --binary "$box/session-warden-1"
  check 'with a schedule, the default is to leave it' all 'exits 0' is_as_before 'said "the existing schedule is kept: cron"' '! said recommended'
  fresh
  on_terminal '\n' --binary "$box/session-warden-1"
  check 'the default is systemd if it answers' all 'exits 0' 'said "[1]"' '[ -e "$state/own-timer" ]' \
    'called "session-warden 1 schedule install --method systemd-user"'
  fresh
  on_terminal '3\n' --binary "$box/session-warden-1"
  check '3 is neither' all 'exits 0' 'said "Nothing is scheduled."' '! grep -q "schedule install" "$state/calls"'
  fresh
  extra=(NO_MANAGER=1)
  on_terminal 'x\n1\n\n' --binary "$box/session-warden-1"
  extra=()
  check 'what cannot be is asked again' all 'exits 0' 'said "Please answer 1, 2 or 3."' 'said "does not answer."' 'said "[2]"' '[ "$(own_lines)" = 1 ]' \
    'said "cron (recommended)"' '! said "timer (recommended)"'
  fresh
  extra=(NO_MANAGER=1 NO_CRON=1)
  on_terminal '\n' --binary "$box/session-warden-1"
  check 'nothing is recommended that does not run here' all 'exits 0' 'said "[3]"' '! said recommended' 'said "Nothing is scheduled."'
  on_terminal '2\n' --binary "$box/session-warden-1"
  extra=()
  check 'and cron may be chosen, which may run later' all 'exits 0' '[ "$(own_lines)" = 1 ]'
  fresh
  keep
  on_terminal '\004' --binary "$box/session-warden-1"
  check 'no answer changes nothing' all 'exits 1' is_as_before 'said "no answer"'
  on_terminal '\003' --binary "$box/session-warden-1"
  check 'Ctrl-C at the question changes nothing' all 'exits 130' is_as_before
  on_terminal '' --binary "$box/session-warden-1" --yes --cron
  check '--yes asks nothing there' all 'exits 0' '! said "1, 2 or 3"' '[ "$(own_lines)" = 1 ]'
  fresh
  echo '@hourly python3 cleanup_idle_sessions.py' >"$state/crontab"
  on_terminal '1\n\n' --binary "$box/session-warden-1"
  check 'and what is replaced goes off by default, with a schedule' all 'exits 0' 'grep -q "^# turned off.*@hourly python3" "$state/crontab"'
  fresh
  echo '@hourly python3 cleanup_idle_sessions.py' >"$state/crontab"
  cp "$state/crontab" "$box/crontab.was"
  on_terminal '3\n\n' --binary "$box/session-warden-1"
  check 'and stays on by default, without one' all 'exits 0' 'cmp -s "$state/crontab" "$box/crontab.was"' 'said "To turn it off"'
  on_terminal '1\nn\n' --binary "$box/session-warden-1"
  check 'and stays on if the answer is no' all 'exits 0' 'cmp -s "$state/crontab" "$box/crontab.was"' 'said "To turn it off"'
}

refusing() {
  fresh
  keep
  warden --frobnicate
  check 'unknown option' refused 2 'unknown option: --frobnicate'
  warden $'--\e[31m'
  check 'unknown option, escaped' all "refused 2 'unknown option'" '! grep -q "$(printf "\033")" "$box/err"'
  warden word
  check 'a word' refused 2 'unknown option: word'
  warden --binary
  check '--binary without a value' refused 2 '--binary needs a value'
  warden --prefix ''
  check '--prefix without a value' refused 2 '--prefix needs a value'
  warden --cron --systemd
  check 'two methods' refused 2 'exclude each other'
  warden --uninstall --cron
  check '--uninstall with a method' refused 2 '--uninstall can be combined with'
  warden --binary "$box/nowhere"
  check '--binary that is missing' refused 2 "not an executable file: $box/nowhere"
  warden --binary "$box/not-executable"
  check '--binary that is not executable' refused 2 'not an executable file'
  warden --binary "$box"
  check '--binary that is a folder' refused 2 'not an executable file'
  touch "$box/tmp/file"
  keep
  warden --binary "$box/session-warden-1" --prefix "$box/tmp/file/x"
  check '--prefix below a file' all 'exits 1' is_as_before 'complained "File exists"' 'complained "nothing was changed"'
  rm "$box/tmp/file"
  mkdir "$box/locked"
  chmod 555 "$box/locked"
  keep
  if [ "$(id -u)" -eq 0 ]; then
    code=0
    chmod 777 "$box/tmp" "$state/calls"
    keep
    environment "$(command -v setpriv)" --reuid=65534 --regid=65534 --clear-groups "$shell" "$source/install.sh" \
      --binary "$box/session-warden-1" --prefix "$box/locked/x" >"$box/out" 2>"$box/err" </dev/null || code=$?
  else
    warden --binary "$box/session-warden-1" --prefix "$box/locked/x"
  fi
  check '--prefix that is not writable' all 'exits 1' is_as_before 'complained "Permission denied"' 'complained "nothing was changed"'
  rmdir "$box/locked"
  fresh
  keep
  warden
  check 'no cargo' refused 1 'cargo is not installed'
  code=0
  env -i PATH="$box/path" STATE="$state" "$shell" "$source/install.sh" --binary "$box/session-warden-1" >"$box/out" 2>"$box/err" </dev/null || code=$?
  check 'no HOME' refused 1 'HOME is not an absolute path'
  with HOME=relative -- --binary "$box/session-warden-1"
  check 'a relative HOME' refused 1 'HOME is not an absolute path'
  with TMPDIR="$box/nowhere" -- --binary "$box/session-warden-1"
  check 'it needs no other temporary folder' all 'exits 0' 'everything 1'
  fresh
  keep
  with FAKE_UID=0 SUDO_USER=somebody -- --binary "$box/session-warden-1"
  check 'under sudo' refused 2 "not for somebody"
  with FAKE_UID=0 SUDO_USER=somebody -- --uninstall
  check 'under sudo, uninstalling' refused 2 "not for somebody"
  with FAKE_UID=0 SUDO_USER=somebody -- --binary "$box/session-warden-1" --prefix "$home/for all" --yes
  check 'under sudo with --prefix it installs there, and schedules nothing for root' all 'exits 0' \
    '! grep -q "schedule install" "$state/calls"' "said \"as its user: \$home/for all/bin/session-warden schedule install\"" '[ -x "$home/for all/bin/session-warden" ]' '[ ! -e "$home/.local" ]'
  with FAKE_UID=0 -- --binary "$box/session-warden-1" --no-schedule
  check 'as root without sudo it installs' all 'exits 0' 'everything 1'
  warden --help
  check '--help' all 'exits 0' 'said "--uninstall"' '[ ! -s "$box/err" ]' '[ "$(wc -L <"$box/out")" -le 100 ]'
}

replacing() {
  fresh
  printf '%s\n' 'MAILTO=me' '0 0 * * * date +\%F' $'7 * * * * python3 /x/cleanup_idle_sessions.py --log /tmp/$(date +\\%F)\r' \
    $'1 1 * * * caf\xe9 100\\%\r' '  # 9 * * * * cleanup_idle_sessions.py by hand' '' $'\t*/5 * * * * cd /y && ./cleanup_idle_sessions.py # half' >"$state/crontab"
  printf '3 3 * * * last' >>"$state/crontab"
  cp "$state/crontab" "$box/crontab.was"
  warden --binary "$box/session-warden-1" --systemd --yes
  {
    sed -e '3s/^/# turned off by session-warden'"'"'s install.sh: /' -e '7s/^/# turned off by session-warden'"'"'s install.sh: /' "$box/crontab.was"
    echo
  } >"$box/crontab.wanted"
  check 'every line in the crontab is commented out, all else stays byte for byte' all 'exits 0' 'cmp -s "$state/crontab" "$box/crontab.wanted"' 'said "Off: cleanup_idle_sessions.py in the crontab"'
  undo=$(sed -n 's/^.*To turn it on: \(crontab -l | sed .*\)$/\1/p' "$box/out")
  keep
  warden --binary "$box/session-warden-1" --systemd --yes
  check 'again: nothing more is found' all 'exits 0' is_as_before '! said "turn it"'
  warden --uninstall
  check '--uninstall leaves it off, and says how it goes on' all 'exits 0' 'cmp -s "$state/crontab" "$box/crontab.wanted"' 'said "$undo"'
  environment "$shell" -c "$undo"
  echo >>"$box/crontab.was"
  check 'what it says turns it on again' cmp -s "$state/crontab" "$box/crontab.was"

  fresh
  printf '0 * * * * cleanup_idle_sessions.py\r\n' >"$state/crontab"
  warden --binary "$box/session-warden-1" --cron --yes
  check 'beside our own line too' all 'exits 0' '[ "$(own_lines)" = 1 ]' '[ "$(wc -l <"$state/crontab")" = 2 ]' \
    'grep -q "^# turned off.*cleanup_idle_sessions.py.$" "$state/crontab"'
  for words in --no-schedule --cron ''; do
    fresh
    echo '0 * * * * cleanup_idle_sessions.py' >"$state/crontab"
    # shellcheck disable=SC2086
    warden --binary "$box/session-warden-1" $words
    check "without --yes and a terminal it is left on, and named: ${words:-nothing}" all 'exits 0' 'grep -q "^0 .*idle_sessions.py" "$state/crontab"' 'said "To turn it off"' 'said "crontab -e"'
  done
  fresh
  echo '0 * * * * cleanup_idle_sessions.py' >"$state/crontab"
  warden --binary "$box/session-warden-1" --no-schedule --yes
  check 'with --yes it is left on if nothing is scheduled' all 'exits 0' 'grep -q "^0 " "$state/crontab"' 'said "To turn it off"'
  with FAIL_CRONTAB=1 -- --binary "$box/session-warden-1" --systemd --yes
  check 'a crontab that cannot be changed: 3, and installed' all 'exits 3' 'everything 1' 'grep -q "^0 " "$state/crontab"' 'complained "spool is full"' 'said "On: cleanup_idle_sessions.py in the crontab. To turn it off: crontab -e"'

  fresh
  echo enabled >"$state/user-timer"
  echo enabled >"$state/system-timer"
  warden --binary "$box/session-warden-1" --yes --systemd
  check "a user's timer is turned off" all 'exits 3' '[ "$(cat "$state/user-timer")" = disabled ]' 'said "systemctl --user enable --now claude-session-cleanup.timer"'
  check "the system's cannot be: 3, and installed" all '[ "$(cat "$state/system-timer")" = enabled ]' 'said "systemctl --system disable --now"' \
    'everything 1' 'complained "you are not root"'
  with FAKE_UID=0 -- --binary "$box/session-warden-1" --yes --systemd
  check "root turns the system's off" all 'exits 0' '[ "$(cat "$state/system-timer")" = disabled ]'
  warden --uninstall
  check '--uninstall leaves the timers off, and says how they go on' all 'exits 0' '[ "$(cat "$state/user-timer")" = disabled ]' \
    'said "systemctl --user enable --now"' 'said "systemctl --system enable --now"'
  fresh
  echo enabled >"$state/user-timer"
  with FAIL_DISABLE=1 -- --binary "$box/session-warden-1" --yes --cron
  check 'a timer that cannot be turned off: 3, and installed' all 'exits 3' 'everything 1' '[ "$(own_lines)" = 1 ]' 'complained "access denied"'
  with SCHEDULE_SAYS=9 -- --binary "$box/session-warden-2" --yes --cron
  check 'nothing is turned off if scheduling fails' all 'exits 9' '[ "$(cat "$state/user-timer")" = enabled ]' 'version_is 1'
}

places() {
  fresh
  (
    umask 077
    warden --binary "$box/session-warden-1" --no-schedule
  )
  check 'modes are 755 and 644 under umask 077' all 'mode_is 755 "$home/.local/bin/session-warden"' \
    'mode_is 644 "$home/.local/share/man/man1/session-warden.1"' 'mode_is 644 "$home/.local/share/zsh/site-functions/_session-warden"' \
    '[ -z "$(find "$home/.local" -type d ! -perm 755)" ]'
  fresh
  (
    umask 000
    warden --binary "$box/session-warden-1" --no-schedule
  )
  check 'and under umask 000' all 'mode_is 755 "$home/.local/bin/session-warden"' '[ -z "$(find "$home/.local" -perm -022)" ]'
  chmod 600 "$home/.local/share/man/man1/session-warden.1"
  warden --binary "$box/session-warden-1" --no-schedule
  check 'a mode that has changed is mended' mode_is 644 "$home/.local/share/man/man1/session-warden.1"
  fresh
  code=0
  (cd "$box" && warden --binary ./session-warden-1 --prefix="home/a  b/c'd" --cron && exit "$code") || code=$?
  check '--prefix and --binary may be relative, with spaces and quotes' all 'exits 0' "[ -x \"\$box/home/a  b/c'd/bin/session-warden\" ]" '[ "$(own_lines)" = 1 ]'
  warden --prefix "$box/home/a  b/c'd" --uninstall
  check '--uninstall below that prefix' all 'exits 0' '[ -z "$(find "$box/home/a  b" -type f)" ]' '[ ! -e "$state/crontab" ]'
  rm -rf "${box:?}/home"
  fresh
  mkdir -p "$home/.local/share"
  touch "$home/.local/share/fish" "$home/.local/share/man"
  keep
  warden --binary "$box/session-warden-1" --no-schedule
  check 'a file that has no place: nothing is installed' all 'exits 1' is_as_before 'complained ".local/share/man"'
  fresh
  code=0
  environment "$shell" "$source/install.sh" --binary "$box/session-warden-1" --yes --cron 2>"$box/err" </dev/null | head -n 1 >"$box/out" || code=$?
  check 'a closed pipe does not stop it half-way' all 'everything 1' '[ "$(own_lines)" = 1 ]' '[ -z "$(ls -A "$box/tmp")" ]'
}

building() {
  cat >"$box/path/cargo" <<'END'
#!/bin/sh
echo "cargo $*, in $PWD" >>"$STATE/calls"
case $1 in
  build)
    [ -z "${NO_BUILD:-}" ] || { echo 'error: it does not compile' >&2; exit 101; }
    echo '{"reason":"compiler-artifact","target":{"name":"x"},"executable":null}'
    echo "{\"reason\":\"compiler-artifact\",\"executable\":\"$BUILT\",\"fresh\":true}"
    echo '{"reason":"build-finished","success":true}'
    ;;
esac
END
  chmod +x "$box/path/cargo"
  mkdir -p "$box/built in"
  cp "$box/session-warden-1" "$box/built in/session-warden"
  fresh
  touch "$source/Cargo.toml" "$box/start"
  extra=(BUILT="$box/built in/session-warden")
  warden --no-schedule
  check 'it builds' all 'exits 0' 'everything 1' 'called "cargo build --release --locked --all-features --message-format=json-render-diagnostics, in $source"'
  fresh
  keep
  extra+=(NO_BUILD=1)
  warden --no-schedule
  check 'a failed build changes nothing' all 'exits 1' is_as_before 'complained "the build failed"' 'complained "it does not compile"'
  extra=()
  warden --no-schedule
  check 'nor does one whose binary cannot be found' all 'exits 1' is_as_before 'complained "does not report the path"'
  rm "$source/Cargo.toml"
  keep
  warden
  check 'without the source it says so' refused 1 'the source is not beside this script'
  touch "$source/Cargo.toml"
  # Only root can show that root builds: whose files these are is not faked.
  if [ "$(id -u)" -eq 0 ]; then
    mkdir -p "$box/crates/registry" "$source/src"
    extra=(FAKE_UID=0 BUILT="$box/built in/session-warden" CARGO_HOME="$box/crates")
    fresh
    warden --no-schedule
    check 'root builds with what is its own' all 'exits 0' 'everything 1' 'grep -q "^cargo build" "$state/calls"'
    for opened in "$source/src" "$source" "$box/crates/registry" "$box/crates"; do
      for change in 'chmod o+w' 'chmod g+w' 'chown 1'; do
        $change "$opened"
        fresh
        keep
        warden --no-schedule
        check "root does not after $change ${opened#"$box/"}" all 'refused 1 "others may write to $opened"' '[ ! -s "$state/calls" ]'
        chmod 755 "$opened"
        chown 0 "$opened"
      done
    done
    extra=()
    rm -r "$box/crates" "$source/src"
  fi
  rm "$box/path/cargo"
}

# ---- Each shell, each kind of path.

if [ "$(wc -l <"$installer")" -gt 300 ]; then
  echo 'FAIL  install.sh has more than 300 lines'
  exit 1
fi
for tool in dash bash script setpriv unshare $tools; do
  if ! command -v "$tool" >/dev/null; then
    printf 'FAIL  %s is not installed\n' "$tool"
    exit 1
  fi
done
# All of it with that shell as sh, in folders of that name.
in_shell() {
  local shell=$1 name=$2
  context="$shell, $name"
  box=$folder/$context
  # bash is sh only by that name.
  mkdir -p "$box/shell" "$box/$name source"
  source=$box/$name\ source
  home=$box/home\ $name
  case $name in plain) source=$box/source home=$box/home ;; esac
  mkdir -p "$source"
  ln -s "$(command -v "$shell")" "$box/shell/sh"
  shell=$box/shell/sh
  state=$box/state
  cp "$installer" "$source/install.sh"
  touch "$source/Cargo.toml"
  fakes
  touch "$box/start"
  the_issue
  uninstalling
  upgrading
  taking_back
  scheduling
  on_a_terminal
  refusing
  replacing
  places
  building
  printf '%s passed, %s failed, in %s\n' "$passes" "$failures" "$context"
  [ "$failures" -eq 0 ]
}

# Both shells at once: each has its own folders.
in_shell dash 'of mine' >"$folder/dash.log" 2>&1 &
dash=$!
in_shell bash plain &
bash=$!
exit_code=0
wait "$bash" || exit_code=1
wait "$dash" || exit_code=1
cat "$folder/dash.log"
[ "$exit_code" -eq 0 ]
