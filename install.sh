#!/bin/sh
# Installs session-warden, and a timer for it if you want one. Or uninstalls it.
#
#   usage: install.sh [OPTIONS]
#
#     --binary FILE   install this binary; without it, cargo builds one, with all features
#     --prefix DIR    install below DIR: DIR/bin, DIR/share [default: ~/.local]
#     --systemd       run it from a systemd user timer
#     --cron          run it from your crontab
#     --no-schedule   schedule nothing; an existing schedule is kept
#     --yes           ask nothing, and take the default of every question
#     --uninstall     remove what was installed below DIR, and the schedule
#
#   On a terminal it asks how to run session-warden: 1 systemd timer, 2 cron, 3 neither. Without one
#   it schedules nothing. It looks for what session-warden replaces, claude-session-cleanup.timer and
#   crontab lines with cleanup_idle_sessions.py, and offers to turn that off; nothing of it is deleted.
#   With --yes it does so if session-warden itself is scheduled.
#
#   Exit codes: 0 done; 1 failed, and 2 wrong usage: nothing was changed; 3 installed, but what it
#   replaces could not be turned off. If scheduling fails: its exit code, and nothing was changed.
set -eu

program=session-warden list=share/session-warden/installed
old_timer=claude-session-cleanup.timer old_script=cleanup_idle_sessions.py
marker="# turned off by session-warden's install.sh: "
nl=$(printf '\nx') && nl=${nl%x}
trap : PIPE # A closed pipe must not stop it half-way.
say() { printf '%s\n' "$*" 2>/dev/null || :; }
die() { # CODE MESSAGE HINT
  printf 'install.sh: %s\n  hint: %s\n' "$2" "$3" >&2 || :
  exit "$1"
}
has() { command -v "$1" >/dev/null 2>&1; }
is_there() { [ -e "$1" ] || [ -L "$1" ]; }
printable() { printf '%s\n' "$1" | LC_ALL=C tr -d '\000-\010\013-\037\177' | head -n 1; }

# ---- The end: what is not complete is reverted.
work='' made='' placed='' unfinished=no is_first_schedule=no
# shellcheck disable=SC2317,SC2329 # the trap below calls it
finish() {
  trap '' INT TERM HUP
  if [ "$unfinished" = no ]; then placed='' made='' is_first_schedule=no; fi
  [ "$is_first_schedule" = no ] || "$bin" schedule uninstall </dev/null >/dev/null 2>&1 || :
  result='nothing was changed'
  for name in $placed; do
    if is_there "$work/old/$name"; then mv -f -- "$work/old/$name" "$prefix/$name"; else rm -f -- "$prefix/$name"; fi ||
      result="these could not be reverted: see $work/old" work=''
  done
  [ -z "$work" ] || rm -rf -- "$work"
  printf '%s' "$made" | LC_ALL=C sort -r | while IFS= read -r folder; do rmdir -- "$folder" 2>/dev/null || :; done
  [ "$unfinished" = no ] || printf 'install.sh: not installed; %s\n' "$result" >&2 || :
  [ "$unfinished$1" != yes2 ] || exit 1 # So a tool may fail, and 2 is for wrong usage.
  exit "$1"
}
trap 'finish "$?"' EXIT; trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM

# ---- The command line.
umask 022
binary='' prefix='' method='' assume=no uninstall=no
wrong() { die 2 "$1" 'install.sh --help shows the options'; }
path_of() {
  case ${1:-} in
    '' | *"$nl"*) wrong "$option needs a value, without a line feed" ;;
    /*) path=$1 ;;
    *) path=$PWD/$1 ;;
  esac
}
while [ "$#" -gt 0 ]; do
  option=$1 && shift
  case $option in --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;; esac
  case $option in
    --binary) path_of "$@" && binary=$path && shift ;;
    --prefix) path_of "$@" && prefix=$path && shift ;;
    --systemd | --cron | --no-schedule)
      [ "${method:=$option}" = "$option" ] || wrong '--systemd, --cron and --no-schedule exclude each other'
      ;;
    --yes | -y) assume=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help) sed -n '4,21s/^# \{0,3\}//p' "$0" && exit 0 ;;
    *) wrong "unknown option: $(printable "$option")" ;;
  esac
done
[ "$uninstall" = no ] || [ -z "$binary$method" ] || wrong '--uninstall can be combined with --prefix and --yes only'
case ${HOME:-} in '' | [!/]* | *"$nl"*) die 1 'HOME is not an absolute path' 'HOME=/home/you ./install.sh' ;; esac
case $(id -u)${SUDO_USER:-root} in 0root | [!0]*) under_sudo=no ;; *) under_sudo=yes ;; esac
[ -n "$prefix" ] || [ "$under_sudo" = no ] || die 2 "under sudo this would install for root, not for $SUDO_USER" \
  'run it without sudo; or, for all users, with --prefix /usr/local'
prefix=${prefix:-$HOME/.local}
while [ "$prefix" != "${prefix%/}" ]; do prefix=${prefix%/}; done
bin=$prefix/bin/$program

# ---- What this replaces: the timers and the lines in the crontab that are on.
timer() { has systemctl && systemctl "$@" "$old_timer" </dev/null; }
crontab_lines() { crontab -l 2>/dev/null </dev/null | LC_ALL=C sed -n "/$1/p" || :; }
old_lines() { crontab_lines "$old_script" | LC_ALL=C sed '/^[[:blank:]]*#/d'; }
say_how() { # WHERE, on or off
  case $1$2 in
    crontabon) say "Off: $old_script in the crontab. To turn it on: crontab -l | sed \"s/^$marker//\" | crontab -" ;;
    crontab*) say "On: $old_script in the crontab. To turn it off: crontab -e, and put a # before each such line" ;;
    *on) say "Off: $old_timer. To turn it on: systemctl $1 enable --now $old_timer" ;;
    *) say "On: $old_timer. To turn it off: systemctl $1 disable --now $old_timer" ;;
  esac
}
turn_off() {
  [ "$1" = crontab ] || { timer "$1" disable --now --no-ask-password && return; } || return
  # Read again, as it may have a line for session-warden by now. Its last line must end with a line feed.
  crontab -l >"$work/lines" </dev/null && LC_ALL=C sed "/^[[:blank:]]*#/b
/$old_script/s/^/$marker/" "$work/lines" >"$work/off" && { [ -z "$(tail -c 1 "$work/off")" ] || echo >>"$work/off"; } &&
    crontab - <"$work/off" && [ -z "$(old_lines)" ]
}

# ---- Uninstalling. The list is removed last: without it no later run could continue.
# The names in a list that this script installs.
files_in() { grep -E "^(bin|share(/[a-z1_-]+(\.d)?)+)/(_?$program(-[a-z0-9-]+)?(\.1|\.fish)?|installed)\$" "$1" || :; }
if [ "$uninstall" = yes ]; then
  rm -rf -- "$prefix/share/$program"/work.*
  if [ ! -f "$prefix/$list" ]; then
    say "Nothing below ${prefix:-/} was installed by this script."
    [ ! -e "$bin" ] || say "$bin was installed by something else and is kept."
  else
    [ -w "$prefix/$list" ] || die 1 "cannot write to $prefix" 'run this as the user who installed it'
    if "$bin" --version </dev/null >/dev/null 2>&1; then
      "$bin" schedule uninstall </dev/null || die "$?" 'cannot remove the schedule' 'nothing was removed; try again'
      # For a run that continues this one without the binary.
      echo unscheduled >>"$prefix/$list" || :
    elif ! grep -qx unscheduled "$prefix/$list"; then
      say "$bin does not run, so a schedule is kept. To check: crontab -l; systemctl --user list-timers"
    fi
    folders=$(grep '^/' "$prefix/$list" | LC_ALL=C sort -r || :)
    for name in $(files_in "$prefix/$list" | grep -vxF "$list") "$list"; do
      [ "$name" != "$list" ] || trap '' INT TERM HUP
      rm -f -- "$prefix/$name" || die 1 "cannot remove $prefix/$name" 'fix that and try again'
    done
    printf '%s\n' "$folders" | while IFS= read -r folder; do
      case $folder/ in */../*) ;; "$prefix"/*) rmdir -- "$folder" 2>/dev/null || : ;; esac
    done
    say "Removed: $bin, its completions and its man pages"
  fi
  for folder in "${XDG_CONFIG_HOME:-$HOME/.config}/$program" "${XDG_STATE_HOME:-$HOME/.local/state}/$program"; do
    [ ! -d "$folder" ] || say "Kept: $folder"
  done
  for scope in --user --system; do
    [ "$(timer "$scope" is-enabled 2>/dev/null || :)" != disabled ] || say_how "$scope" on
  done
  [ -z "$(crontab_lines "^$marker")" ] || say_how crontab on
  exit 0
fi

# ---- The binary to install. As root, it is not built with what other users can change.
only_ours() {
  [ "$(id -u)" -eq 0 ] || return 0
  case $2 in /*) folder=$2 ;; *) folder=$PWD/$2 ;; esac
  while [ ! -d "$folder/" ]; do folder=${folder%/*}; done
  folder=$(CDPATH='' cd -- "$folder/" && pwd -P)
  found=$(find "$folder" \( ! -user 0 -o ! -type l \( -perm -020 -o -perm -002 \) \) -print | head -n 1)
  # Above it, only root may rename what is in a folder with the sticky bit.
  while [ -z "$found" ] && [ -n "${folder%/}" ]; do
    folder=${folder%/*}
    found=$(find "${folder:-/}" -prune \( ! -user 0 -o ! -perm -1000 \( -perm -020 -o -perm -002 \) \) -print)
  done
  [ -z "$found" ] || die 1 "as root this would build with $1, and others may write to $(printable "$found")" \
    'build it as another user and use --binary FILE, or use a clone and a CARGO_HOME that only root can write to'
}
if [ -n "$binary" ]; then
  { [ -f "$binary" ] && [ -x "$binary" ]; } || die 2 "not an executable file: $binary" 'leave out --binary to build one'
else
  CDPATH='' cd -- "$(dirname -- "$0")"
  [ -f Cargo.toml ] || die 1 "the source is not beside this script, in $PWD" 'run it in a clone, or use --binary FILE'
  has cargo || die 1 'cargo is not installed, which the build needs' 'see https://rustup.rs, or use --binary FILE'
  only_ours 'this clone' "$PWD"
  only_ours CARGO_HOME "${CARGO_HOME:-$HOME/.cargo}"
  only_ours CARGO_TARGET_DIR "${CARGO_TARGET_DIR:-$PWD}"
fi

# ---- Questions. Nothing is changed before the last of them is answered.
ask() {
  printf '%s ' "$1"
  IFS= read -r answer && return
  echo
  die 1 'no answer' 'nothing was changed; --help shows how to answer in advance'
}
knows=no scheduled=''
look_at_schedule() {
  [ "$knows" = no ] && [ -x "$1" ] && status=$("$1" schedule status --json </dev/null 2>/dev/null) || return 0
  knows=yes scheduled=$(printf '%s\n' "$status" | sed -n 's/.*"method":"\([a-z-]*\)".*/\1/p')
}
look_at_schedule "$bin"
look_at_schedule "$binary"
# What works here is recommended. Under sudo it would run as root, so nothing is.
works=3 one='' two='' three=neither
[ "$under_sudo" = no ] || method=${method:---no-schedule}
if has systemctl && systemctl --user show-environment >/dev/null 2>&1 </dev/null; then
  works=1 one=' (recommended)'
elif has crontab && { pidof cron crond fcron || systemctl is-active cron crond cron.target; } >/dev/null 2>&1; then
  works=2 two=' (recommended)'
fi
default=$works
[ -z "$scheduled" ] || default=3 one='' two='' three="neither; the existing schedule is kept: $scheduled"
if [ -t 0 ] && [ -t 1 ] && [ "$assume" = no ]; then asks=yes; else asks=no; fi
[ "$asks" = no ] || [ -n "$method" ] ||
  say "How should $program run?$nl  1  systemd timer$one$nl  2  cron$two$nl  3  $three"
while [ -z "$method" ]; do
  answer=$default
  if [ "$asks" = yes ]; then ask "1, 2 or 3 [$default]:"; elif [ "$assume" = no ]; then answer=3; fi
  case ${answer:-$default} in
    1) if [ "$works" = 1 ]; then method=--systemd; else say 'Your systemd does not answer.'; fi ;;
    2) if has crontab; then method=--cron; else say 'There is no crontab command.'; fi ;;
    3) method=--no-schedule ;;
    *) say 'Please answer 1, 2 or 3.' ;;
  esac
done
old=''
for scope in --user --system; do
  if timer "$scope" is-active || timer "$scope" is-enabled; then old="$old $scope"; fi >/dev/null 2>&1
done
[ -z "$(old_lines)" ] || old="$old crontab"
will_run=yes wants_off=no
[ "$method$scheduled" != --no-schedule ] || will_run=no
[ "$assume" = no ] || wants_off=$will_run
if [ -n "$old" ] && [ "$asks" = yes ]; then
  ask "Turn off what $program replaces, $old_timer or lines with $old_script? Nothing is deleted. [$will_run]:"
  case ${answer:-$will_run} in [Yy]*) wants_off=yes ;; esac
fi

# ---- All files, in a folder of this run.
if [ -z "$binary" ]; then
  say 'Building: cargo build --release --locked --all-features'
  built=$(cargo build --release --locked --all-features --message-format=json-render-diagnostics </dev/null) ||
    die 1 'the build failed; nothing was changed' 'see the errors above; --binary FILE installs without a build'
  binary=$(printf '%s\n' "$built" | sed -n "s/.*\"executable\":\"\\([^\"\\\\]*\\/$program\\)\".*/\\1/p" | tail -n 1)
  [ -x "$binary" ] || die 1 'cargo does not report the path of the binary' 'find it, and use --binary FILE'
fi
make_folder() {
  [ ! -d "$1/" ] || return 0
  made="$made$1$nl"
  make_folder "${1%/*}" && mkdir -- "$1"
}
# From here on a command that fails ends the script, which then reverts what it did.
unfinished=yes
make_folder "$prefix/bin"
make_folder "$prefix/share/$program"
# Left by a run that was killed.
for it in "$prefix/share/$program"/work.*; do kill -0 "${it##*.}" 2>/dev/null || rm -rf -- "$it"; done
work=$prefix/share/$program/work.$$ new=$prefix/share/$program/work.$$/new
mkdir -p -- "$new/bin" "$new/share/$program"
cp -- "$binary" "$new/bin/$program"
chmod 0755 "$new/bin/$program"
version=$("$new/bin/$program" --version </dev/null) || die 1 "$binary does not run here" 'see the error above'
case $version in "$program "*) ;; *) die 1 "$binary is not $program" 'use --binary with the right path' ;; esac
look_at_schedule "$new/bin/$program"
for one in bash-completion/completions/$program zsh/site-functions/_$program fish/vendor_completions.d/$program.fish; do
  mkdir -p -- "$new/share/${one%/*}"
  "$new/bin/$program" completions "${one%%[-/]*}" >"$new/share/$one" </dev/null
done
"$new/bin/$program" man --dir "$new/share/man/man1" >/dev/null </dev/null
files=$list
for name in $(cd -- "$new" && find . -type f | sed 's/^\.\///' | LC_ALL=C sort -r); do
  make_folder "$prefix/${name%/*}"
  files=$files$nl$name
done
{ printf '%s\n' "$files" "$made" && grep -s '^/' "$prefix/$list"; } | grep . | LC_ALL=C sort -u >"$new/$list"

# ---- Into place, and the schedule.
for name in $files; do
  [ ! -d "$prefix/$name" ] || die 1 "$prefix/$name is a folder" 'move it away, or use another --prefix'
  if is_there "$prefix/$name"; then
    mkdir -p -- "$work/old/${name%/*}"
    cp -P -p -- "$prefix/$name" "$work/old/$name"
  fi
  placed="$placed $name"
  mv -f -- "$new/$name" "$prefix/$name"
done
if [ "$method" != --no-schedule ]; then
  unfinished=schedule folder=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
  while [ ! -d "$folder/" ]; do made=$made$folder$nl && folder=${folder%/*}; done # Reverted as well.
  if [ "$method" = --cron ]; then method=cron; else method=systemd-user; fi
  [ "$knows$scheduled" != yes ] || is_first_schedule=yes
  "$bin" schedule install --method "$method" </dev/null ||
    die "$?" 'scheduling failed' 'fix the error above, or install without a schedule: --no-schedule'
fi
trap '' INT TERM HUP # From here on it is installed.
unfinished=no incomplete=0
if [ -f "$work/old/$list" ]; then
  for name in $(files_in "$work/old/$list" | grep -vxF "$files"); do rm -f -- "$prefix/$name"; done
fi
say "Installed: $version in $bin, with completions and man pages"
case $method$scheduled in
  --no-schedule) say "Nothing is scheduled. To schedule it, as its user: $bin schedule install" ;;
  --no-schedule*) say "The existing schedule is kept: $scheduled" ;;
esac
for where in $old; do
  if [ "$wants_off" = yes ] && turn_off "$where"; then say_how "$where" on && continue; fi
  [ "$wants_off" = no ] || incomplete=3
  say_how "$where" off
done
case :${PATH:-}: in
  *":$prefix/bin:"*) [ "$(command -v "$program")" = "$bin" ] || say "In your PATH, another $program is before $bin." ;;
  *) say "$prefix/bin is not in your PATH. In ~/.profile: PATH=\"$prefix/bin:\$PATH\"" ;;
esac
exit "$incomplete"
