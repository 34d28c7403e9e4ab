#!/bin/sh
# Installs session-warden for one user, or below a given folder, and uninstalls it.
#
# Questions come first, then the binary is built and tried, and only then files are written. From there to
# the end of the scheduling, any failure, a signal included, reverts all of it. The installed files are
# listed in PREFIX/share/session-warden/installed, which --uninstall uses.
set -eu

program=session-warden
old_timer=claude-session-cleanup.timer
old_script=cleanup_idle_sessions.py
marker="# turned off by session-warden's install.sh: "
list=share/$program/installed

usage() {
  cat <<'END'
Installs session-warden, and a timer for it if you want one.

usage: install.sh [OPTIONS]

  --binary FILE   install this binary; without it, cargo builds one, with all
                  features
  --prefix DIR    install below DIR: DIR/bin, DIR/share [default: ~/.local]
  --systemd       run it from a systemd user timer
  --cron          run it from your crontab
  --no-schedule   schedule nothing; an existing schedule is kept
  --yes           ask nothing, and take the default of every question
  --uninstall     remove what was installed below DIR, and the schedule
  -h, --help      print this help

On a terminal, without --systemd, --cron, --no-schedule or --yes, it asks how to run
session-warden: 1 systemd timer, 2 cron, 3 neither. The default is what is available;
an existing schedule is kept by default. Without a terminal, nothing is scheduled.

It looks for what session-warden replaces, claude-session-cleanup.timer and lines
with cleanup_idle_sessions.py in your crontab, and offers to turn that off. With
--yes it does so if session-warden itself is scheduled. Nothing of it is deleted.

Exit codes: 0 done; 1 failed, and 2 wrong usage: nothing was changed; 3 installed,
but what it replaces could not be turned off. If scheduling fails: its exit code,
and the installation is reverted.
END
}

# A closed pipe must not stop it half-way.
trap : PIPE
say() { printf '%s\n' "$*" 2>/dev/null || :; }
did() { printf '%-10s %s\n' "$1" "$2" 2>/dev/null || :; }
complain() {
  printf 'install.sh: %s\n' "$1" >&2 || :
  [ -z "${2:-}" ] || printf '  hint: %s\n' "$2" >&2 || :
}
# die CODE MESSAGE HINT
die() {
  complain "$2" "${3:-}"
  exit "$1"
}
has() { command -v "$1" >/dev/null 2>&1; }
# Quoted for a shell.
quoted() {
  printf '%s\n' "$1" | sed -e '/^[A-Za-z0-9_/.:=@,+-]*$/b' -e "s/'/'\\\\''/g" -e "s/^/'/" -e "s/\$/'/"
}
# Without control characters.
shown() { LC_ALL=C tr -d '\000-\010\013-\037\177'; }

# ---- What is reverted, and what is removed in any case, at the end.

work=''
bin=''
# Whether this run must be reverted if it ends now.
unfinished=no
# Whether the binary was asked to schedule, and whether there was nothing before.
scheduling=no
fresh=no

# beside FILE WHAT: the name of a temporary file in the same folder.
beside() { printf '%s/.%s.%s.%s' "${1%/*}" "${1##*/}" "$2" "$$"; }

# shellcheck disable=SC2317,SC2329 # finish calls it
revert() {
  if [ "$scheduling" = yes ] && [ "$fresh" = yes ]; then
    "$bin" schedule uninstall </dev/null >/dev/null 2>&1 || :
  fi
  while read -r how path; do
    if [ "$how" = new ]; then
      rm -f -- "$path" || complain "cannot remove $path" "rm $(quoted "$path")"
      continue
    fi
    saved=$(beside "$path" old)
    if [ -e "$saved" ] || [ -L "$saved" ]; then
      mv -f -- "$saved" "$path" || complain "cannot restore $path" "mv $(quoted "$saved") $(quoted "$path")"
    fi
  done <"$work/placed"
}

# shellcheck disable=SC2317,SC2329 # the trap below calls it
finish() {
  code=$1
  trap '' INT TERM HUP
  [ -z "$bin" ] || rm -f -- "$(beside "$bin" new)"
  if [ "$unfinished" = yes ]; then
    [ ! -s "$work/placed" ] || complain 'the changes of this run are reverted'
    revert
  fi
  if [ -n "$work" ] && [ -f "$work/placed" ]; then
    while read -r how path; do
      rm -f -- "$(beside "$path" new)" "$(beside "$path" saving)"
      [ "$unfinished" = yes ] || rm -f -- "$(beside "$path" old)"
    done <"$work/placed"
    [ "$unfinished" = no ] || LC_ALL=C sort -r "$work/folders" | while IFS= read -r folder; do
      rmdir -- "$folder" 2>/dev/null || :
    done
  fi
  [ -z "$work" ] || rm -rf -- "$work"
  exit "$code"
}
trap 'finish "$?"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- What was typed.

umask 022
binary='' prefix='' prefix_given=no method='' assume=no uninstall=no
wrong() { die 2 "$1" 'install.sh --help shows the options'; }

choose_method() {
  [ -z "$method" ] || [ "$method" = "$1" ] ||
    wrong '--systemd, --cron and --no-schedule exclude each other'
  method=$1
}

while [ "$#" -gt 0 ]; do
  option=$1
  shift
  case $option in
    --binary | --prefix)
      [ "$#" -gt 0 ] || wrong "$option needs a value"
      value=$1
      shift
      ;;
    --binary=* | --prefix=*)
      value=${option#*=}
      option=${option%%=*}
      ;;
  esac
  case $option in
    --binary | --prefix)
      [ -n "$value" ] || wrong "$option needs a value"
      case $value in
        *'
'*) wrong "$option must not contain a line feed" ;;
        /*) ;;
        *) value=$PWD/$value ;;
      esac
      ;;
  esac
  case $option in
    --binary) binary=$value ;;
    --prefix) prefix=$value prefix_given=yes ;;
    --systemd) choose_method systemd-user ;;
    --cron) choose_method cron ;;
    --no-schedule) choose_method none ;;
    --yes | -y) assume=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) wrong "unknown option: $(printf '%s' "$option" | shown)" ;;
  esac
done
if [ "$uninstall" = yes ] && [ -n "$binary$method" ]; then
  wrong '--uninstall can be combined with --prefix and --yes only'
fi
case ${HOME:-} in
  *'
'*) die 1 'HOME contains a line feed' 'set it to another folder' ;;
  /*) ;;
  *) die 1 'HOME is not set to an absolute path' "set it to your home: HOME=/home/you ./install.sh" ;;
esac
am_root=no
[ "$(id -u)" -ne 0 ] || am_root=yes
under_sudo=no
if [ "$am_root" = yes ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then under_sudo=yes; fi
if [ "$under_sudo" = yes ] && [ "$prefix_given" = no ]; then
  die 2 "under sudo this would install for root, not for $SUDO_USER" \
    'run it without sudo; or, for all users, with --prefix /usr/local'
fi
[ "$prefix_given" = yes ] || prefix=$HOME/.local
while [ "$prefix" != "${prefix%/}" ]; do prefix=${prefix%/}; done
bin=$prefix/bin/$program

# ---- What this replaces.

user_manager_answers() { has systemctl && systemctl --user show-environment </dev/null >/dev/null 2>&1; }

# timer_is_on [--user]
timer_is_on() {
  has systemctl || return 1
  case $(systemctl "$@" is-active "$old_timer" </dev/null 2>/dev/null || :) in
    active | activating) return 0 ;;
  esac
  case $(systemctl "$@" is-enabled "$old_timer" </dev/null 2>/dev/null || :) in
    enabled | enabled-runtime) return 0 ;;
  esac
  return 1
}

# Into the file, byte for byte; 1 if there is none or it cannot be read.
read_crontab() {
  has crontab || return 1
  LC_ALL=C crontab -l >"$1" 2>"$work/error" </dev/null && return 0
  if ! grep -qi 'no crontab' "$work/error"; then
    complain "crontab -l failed: $(head -n 1 "$work/error" | shown)"
    incomplete=3
  fi
  return 1
}

# The lines of the file that still run the old script.
old_lines() { LC_ALL=C sed -n '/^[[:blank:]]*#/d;/cleanup_idle_sessions\.py/p' "$1"; }

incomplete=0
old_found=''
look_for_old() {
  timer_is_on --user && old_found="$old_found user-timer"
  timer_is_on && old_found="$old_found system-timer"
  if read_crontab "$work/crontab" && [ -n "$(old_lines "$work/crontab")" ]; then
    old_found="$old_found crontab"
  fi
  [ -n "$old_found" ] || return 0
  say "Found a schedule that $program replaces:"
  for found in $old_found; do
    case $found in
      user-timer) say "  $old_timer (user timer)" ;;
      system-timer) say "  $old_timer (system timer)" ;;
      crontab) old_lines "$work/crontab" | shown | sed 's/^/  crontab: /' ;;
    esac
  done
}

on_again_crontab="crontab -l | sed \"s/^$marker//\" | crontab -"

# How a person turns off what was found.
how_to_turn_off() {
  for found in $old_found; do
    case $found in
      user-timer) say "  systemctl --user disable --now $old_timer" ;;
      system-timer) say "  sudo systemctl disable --now $old_timer" ;;
      crontab) say "  crontab -e, and put a # before every line with $old_script" ;;
    esac
  done
}

# turn_off_timer [--user]
turn_off_timer() {
  if systemctl "$@" disable --now "$old_timer" </dev/null >/dev/null 2>"$work/error"; then
    did 'turned off' "$old_timer; its files are kept. Turn it on again: systemctl${1:+ $1} enable --now $old_timer"
  else
    complain "cannot turn off $old_timer: $(head -n 1 "$work/error" | shown)" \
      "systemctl${1:+ $1} disable --now $old_timer"
    incomplete=3
  fi
}

turn_off_crontab() {
  # Read again: our own line may be new.
  read_crontab "$work/crontab" || return 0
  LC_ALL=C sed "/^[[:blank:]]*#/b
/cleanup_idle_sessions\.py/s/^/$marker/" "$work/crontab" >"$work/crontab.new"
  if [ -n "$(tail -c 1 "$work/crontab.new")" ]; then
    echo >>"$work/crontab.new"
    say 'The last line of the crontab has no line feed, which crontab requires: it is added.'
  fi
  count=$(old_lines "$work/crontab" | wc -l | tr -d ' ')
  if crontab - <"$work/crontab.new" 2>"$work/error" && read_crontab "$work/crontab" &&
    cmp -s "$work/crontab" "$work/crontab.new"; then
    did 'turned off' "$count in the crontab, prefixed with '$marker'. To undo this:"
    say "  $on_again_crontab"
  else
    complain "cannot change the crontab: $(head -n 1 "$work/error" | shown)" \
      "crontab -e, and put a # before every line with $old_script"
    incomplete=3
  fi
}

turn_off_old() {
  for found in $old_found; do
    case $found in
      user-timer) turn_off_timer --user ;;
      system-timer)
        if [ "$am_root" = yes ]; then
          turn_off_timer
        else
          say "Only root can turn off the system's timer: sudo systemctl disable --now $old_timer"
        fi
        ;;
      crontab) turn_off_crontab ;;
    esac
  done
}

# ---- Questions. Nothing is changed before the last of them is answered.

answer=''
ask() {
  printf '%s ' "$1"
  IFS= read -r answer || {
    echo
    die 1 'no answer' 'nothing was changed; --help shows how to answer in advance'
  }
}

# Asks that binary what is scheduled: sets `scheduled_before` to the first method in use, and `fresh` to
# yes if there is none for sure. Each schedule has a line with its method first.
scheduled_before=''
ask_what_is_scheduled() {
  status=$("$1" schedule status </dev/null 2>/dev/null) || return 0
  scheduled_before=$(printf '%s\n' "$status" |
    awk '$1 ~ /^(systemd-user|systemd-system|cron|launchd):?$/ { sub(/:$/, "", $1); print $1; exit }')
  [ -n "$scheduled_before" ] || fresh=yes
}

# schedule WORDS...: runs the binary; a closed pipe does not stop it.
schedule() {
  code=0
  "$bin" schedule "$@" </dev/null >"$work/output" || code=$?
  cat -- "$work/output" 2>/dev/null || :
  return "$code"
}

detect_method() {
  if [ "$under_sudo" = yes ]; then
    # It would run as root, which is rarely wanted.
    method=none
  elif user_manager_answers; then
    method=systemd-user
  elif has crontab; then
    method=cron
  else
    method=none
  fi
}

ask_method() {
  detect_method
  case $method in
    systemd-user) default=1 ;;
    cron) default=2 ;;
    *) default=3 ;;
  esac
  neither=neither
  if [ -n "$scheduled_before" ]; then
    default=3 neither="neither: the existing schedule is kept, by $scheduled_before"
  fi
  say "How should $program run?"
  say '  1  systemd timer'
  say '  2  cron'
  say "  3  $neither"
  while :; do
    ask "1, 2 or 3 [$default]:"
    case ${answer:-$default} in
      1)
        method=systemd-user
        user_manager_answers && break
        say 'Your own systemd does not answer.'
        ;;
      2)
        method=cron
        has crontab && break
        say 'There is no crontab command.'
        ;;
      3)
        method=none
        break
        ;;
      *) say 'Please answer 1, 2 or 3.' ;;
    esac
  done
}

ask_turn_off() {
  if [ "$will_run" = yes ]; then
    default=y choices=Y/n
  else
    default=n choices=y/N
  fi
  while :; do
    ask "Turn it off? Nothing is deleted. [$choices]:"
    case ${answer:-$default} in
      y | Y | yes | Yes) turn_off=yes && break ;;
      n | N | no | No) turn_off=no && break ;;
      *) say 'Please answer y or n.' ;;
    esac
  done
}

# ---- Files.

# Made with its parents; each new one is remembered.
make_folder() {
  [ ! -d "$1" ] || return 0
  [ -n "$1" ] || return 1
  make_folder "${1%/*}" || return 1
  printf '%s\n' "$1" >>"$work/folders"
  mkdir -- "$1" 2>/dev/null || return 1
  did 'made' "$1"
}

# is_as FILE OTHER MODE: a file of its own with the same bytes and that mode.
is_as() { cmp -s -- "$1" "$2" && [ -n "$(find "$1" -prune -type f -perm "$3" 2>/dev/null)" ]; }

# place FROM TO MODE: whole or not at all, and so that it can be reverted. FROM is moved if it is beside TO
# already. Sets `placed` to what was done.
placed=''
place() {
  placed=unchanged
  ! is_as "$2" "$1" "$3" || return 0
  next=$(beside "$2" new)
  saved=$(beside "$2" old)
  if [ -e "$2" ] || [ -L "$2" ]; then
    placed=replaced
    printf 'old %s\n' "$2" >>"$work/placed"
    # By a rename, since an incomplete copy must not be restored.
    saving=$(beside "$2" saving)
    rm -f -- "$saving" "$saved"
    cp -P -p -- "$2" "$saving" && mv -f -- "$saving" "$saved" || return 1
  else
    placed=installed
    printf 'new %s\n' "$2" >>"$work/placed"
  fi
  if [ "$1" != "$next" ]; then
    rm -f -- "$next"
    cp -- "$1" "$next" && chmod "$3" "$next" || return 1
  fi
  mv -f -- "$next" "$2"
}

# Whether this script installs a file of that name below PREFIX.
is_ours() {
  case $1 in
    "bin/$program" | "$list" | "share/bash-completion/completions/$program") ;;
    "share/zsh/site-functions/_$program" | "share/fish/vendor_completions.d/$program.fish") ;;
    share/man/man1/*/*) return 1 ;;
    "share/man/man1/$program.1" | "share/man/man1/$program-"*.1) ;;
    *) return 1 ;;
  esac
}

make_work() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/$program-install.XXXXXX") ||
    die 1 "cannot make a temporary folder in ${TMPDIR:-/tmp}" 'set TMPDIR to a writable folder'
  : >"$work/placed"
  : >"$work/folders"
}

# ---- Uninstalling.

uninstall() {
  if [ ! -f "$prefix/$list" ]; then
    say "Nothing below ${prefix:-/} was installed by this script."
    if [ -e "$bin" ]; then
      say "$bin was installed by something else and is kept."
    fi
    return 0
  fi
  [ -w "$prefix/share/$program" ] ||
    die 1 "cannot write to $prefix" 'run this as the user who installed it'
  make_work
  cp -- "$prefix/$list" "$work/list"
  if "$bin" --version </dev/null >/dev/null 2>&1; then
    code=0
    schedule uninstall || code=$?
    [ "$code" -eq 0 ] ||
      die "$code" "cannot remove the schedule: exit code $code" 'nothing was removed; fix that and try again'
  else
    say "$bin no longer runs, so its schedule, if any, is kept."
    say '  To check: crontab -l; systemctl --user list-timers'
  fi
  pages=0
  while IFS= read -r name; do
    if ! is_ours "$name" || [ "$name" = "$list" ] || { [ ! -e "$prefix/$name" ] && [ ! -L "$prefix/$name" ]; }; then
      continue
    fi
    rm -f -- "$prefix/$name" || die 1 "cannot remove $prefix/$name" 'fix that and try again'
    case $name in
      share/man/*) pages=$((pages + 1)) ;;
      *) did removed "$prefix/$name" ;;
    esac
  done <"$work/list"
  [ "$pages" -eq 0 ] || did removed "man pages in $prefix/share/man/man1: $pages"
  # Without the list no later run could continue: so this is not interrupted.
  trap '' INT TERM HUP
  rm -f -- "$prefix/$list" || die 1 "cannot remove $prefix/$list" 'fix that and try again'
  # Only folders that were made for this and are empty, the deepest first.
  LC_ALL=C sort -r "$work/list" | while IFS= read -r name; do
    case $name in
      ./) rmdir -- "$prefix" 2>/dev/null && did removed "$prefix" ;;
      *..*) ;;
      bin/ | share/*/ | share/) rmdir -- "$prefix/$name" 2>/dev/null && did removed "$prefix/${name%/}" ;;
    esac
  done || :
}

say_what_is_left() {
  for folder in "${XDG_CONFIG_HOME:-$HOME/.config}/$program" "${XDG_STATE_HOME:-$HOME/.local/state}/$program"; do
    [ ! -d "$folder" ] || say "Kept: $folder"
  done
  if has systemctl; then
    for scope in --user --system; do
      case $(systemctl "$scope" is-enabled "$old_timer" </dev/null 2>/dev/null || :) in
        disabled) say "$old_timer is off. Turn it on again: systemctl $scope enable --now $old_timer" ;;
      esac
    done
  fi
  [ -n "$work" ] || make_work
  if read_crontab "$work/crontab" && LC_ALL=C grep -q "^$marker" "$work/crontab"; then
    say "In the crontab, $old_script is off. Turn it on again:"
    say "  $on_again_crontab"
  fi
}

if [ "$uninstall" = yes ]; then
  uninstall
  say_what_is_left
  exit "$incomplete"
fi

# ---- Whether it can be installed at all.

# written_by_others FOLDER: the first path that a user other than root may write to, in the folder or above it.
# There, only root may rename what is in a folder with the sticky bit. A link counts by its owner.
written_by_others() {
  above=$1
  while [ -n "$above" ]; do
    above=${above%/*}
    find "${above:-/}" -prune \( ! -user 0 -o ! -perm -1000 \( -perm -020 -o -perm -002 \) \) -print
  done | head -n 1
  find "$1" \( ! -user 0 -o ! -type l \( -perm -020 -o -perm -002 \) \) -print | head -n 1
}

# only_ours WHAT FOLDER: ends if root would build with what others may change. The folder need not exist.
only_ours() {
  folder=$2
  while [ ! -d "$folder" ] && [ -n "$folder" ]; do folder=${folder%/*}; done
  folder=$(CDPATH='' cd -- "${folder:-/}" && pwd -P) || die 1 "cannot enter $2" "$as_another"
  [ "$folder" != / ] || folder=''
  found=$(written_by_others "$folder" | head -n 1)
  [ -z "$found" ] ||
    die 1 "as root this would build with $1, and others may write to $(printf '%s' "$found" | shown)" "$as_another"
}
as_another='build it as another user with cargo build --release --locked --all-features, check it, and use --binary FILE; or use a clone and a CARGO_HOME that only root can write to'

if [ -n "$binary" ]; then
  [ -f "$binary" ] || die 2 "no such file: $binary" 'leave out --binary to build one'
  [ -x "$binary" ] || die 2 "not executable: $binary" "chmod +x $(quoted "$binary")"
  [ -r "$binary" ] || die 2 "cannot be read: $binary" "chmod +r $(quoted "$binary")"
else
  repository=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
  [ -f "$repository/Cargo.toml" ] ||
    die 1 "the source is not beside this script, in $repository" 'run it in a clone, or use --binary FILE'
  has cargo || die 1 'cargo is not installed, which the build needs' \
    'install Rust (https://rustup.rs), or use --binary FILE'
  if [ "$am_root" = yes ]; then
    only_ours 'this clone' "$repository"
    case ${CARGO_HOME:=$HOME/.cargo} in
      /*) ;;
      *) CARGO_HOME=$repository/$CARGO_HOME ;;
    esac
    export CARGO_HOME
    only_ours CARGO_HOME "$CARGO_HOME"
    case ${CARGO_TARGET_DIR:-} in
      '') ;;
      /*) only_ours CARGO_TARGET_DIR "$CARGO_TARGET_DIR" ;;
      *) only_ours CARGO_TARGET_DIR "$repository/$CARGO_TARGET_DIR" ;;
    esac
  fi
fi
for folder in "$prefix/bin" "$prefix/share/$program"; do
  above=$folder
  while [ ! -e "$above" ] && [ ! -L "$above" ] && [ -n "$above" ]; do above=${above%/*}; done
  [ -d "${above:-/}" ] || die 1 "cannot install below $prefix: $above is not a folder" 'use another --prefix'
  if [ ! -w "${above:-/}" ] || [ ! -x "${above:-/}" ]; then
    die 1 "cannot install below $prefix: ${above:-/} is not writable" 'use another --prefix'
  fi
done
[ ! -d "$bin" ] || die 1 "$bin is a folder" 'move it away, or use another --prefix'

make_work
had_binary=no
if [ -x "$bin" ]; then
  had_binary=yes
  ask_what_is_scheduled "$bin"
fi

# ---- What is wanted.

look_for_old
asks=no
if [ -t 0 ] && [ -t 1 ] && [ "$assume" = no ]; then asks=yes; fi
answered=no
if [ -n "$method" ]; then
  answered=yes
elif [ "$asks" = yes ] && [ "$under_sudo" = no ]; then
  ask_method
  answered=yes
elif [ "$assume" = yes ] && [ -z "$scheduled_before" ]; then
  detect_method
else
  method=none
fi
will_run=no
if [ "$method" != none ] || [ -n "$scheduled_before" ]; then will_run=yes; fi
turn_off=no
if [ -n "$old_found" ]; then
  if [ "$asks" = yes ]; then
    ask_turn_off
  elif [ "$assume" = yes ]; then
    turn_off=$will_run
  fi
fi

# ---- The binary, built and tried.

if [ -z "$binary" ]; then
  # Without the network if all crates are downloaded.
  offline=''
  if (cd -- "$repository" && cargo tree --locked --offline --all-features --edges normal,build) >/dev/null 2>&1 </dev/null; then
    offline=--offline
  fi
  say "Building: cargo build --release --locked --all-features${offline:+ $offline}"
  (cd -- "$repository" && cargo build --release --locked --all-features ${offline:+"$offline"} \
    --message-format=json-render-diagnostics) </dev/null >"$work/built" ||
    die 1 'the build failed; see the output of cargo above' 'nothing was changed; --binary FILE installs without a build'
  binary=$(sed -n "s/.*\"executable\":\"\\([^\"\\\\]*\\/$program\\)\".*/\\1/p" "$work/built" | tail -n 1)
  [ -x "$binary" ] ||
    die 1 'cargo does not report the path of the binary' 'find it, and use --binary FILE'
fi

unfinished=yes
make_folder "$prefix/bin" || die 1 "cannot make $prefix/bin" 'use another --prefix'
make_folder "$prefix/share/$program" || die 1 "cannot make $prefix/share/$program" 'use another --prefix'
# In the folder where it will run, so that it is tried there and a rename installs it.
staged=$(beside "$bin" new)
rm -f -- "$staged"
{ cp -- "$binary" "$staged" && chmod 0755 "$staged"; } 2>"$work/error" ||
  die 1 "cannot write $staged: $(head -n 1 "$work/error" | shown)" 'is the disk full?'
version=$("$staged" --version </dev/null 2>"$work/error") ||
  die 1 "$binary does not run here: $(head -n 1 "$work/error" | shown)" 'nothing was changed'
case $version in
  "$program "*) ;;
  *) die 1 "$binary is not $program: its version is $(printf '%s' "$version" | head -n 1 | shown)" 'use --binary with the right path' ;;
esac
if [ "$had_binary" = no ]; then
  ask_what_is_scheduled "$staged"
fi

# ---- Completions and man pages, first in a temporary folder.

tree=$work/tree
# completion SHELL FILE
completion() {
  mkdir -p -- "$tree/${2%/*}"
  "$staged" completions "$1" </dev/null >"$tree/$2" 2>/dev/null && [ -s "$tree/$2" ] && return 0
  say "Left out: completions for $1, which $version does not print"
  rm -f -- "$tree/$2"
}
mkdir "$tree"
completion bash "share/bash-completion/completions/$program"
completion zsh "share/zsh/site-functions/_$program"
completion fish "share/fish/vendor_completions.d/$program.fish"
mkdir -p "$tree/share/man"
if ! "$staged" man --dir "$tree/share/man/man1" </dev/null >/dev/null 2>&1; then
  say "Left out: the man pages, which $version does not write"
  rm -rf -- "$tree/share/man"
fi
(cd -- "$tree" && find . -type f | sed 's/^\.\///' | LC_ALL=C sort) >"$work/names"
: >"$work/files"
while IFS= read -r name; do
  is_ours "$name" || continue
  if make_folder "$prefix/${name%/*}" && [ -w "$prefix/${name%/*}" ] && [ ! -d "$prefix/$name" ]; then
    printf '%s\n' "$name" >>"$work/files"
  else
    say "Left out: $prefix/$name, which cannot be written"
  fi
done <"$work/names"

# The list: these files, and the folders that were made, by an earlier run too.
{
  printf '%s\n' "bin/$program" "$list"
  cat "$work/files"
  while IFS= read -r folder; do
    [ -d "$folder" ] || continue
    case $folder in
      "$prefix") say ./ ;;
      "$prefix"/*) say "${folder#"$prefix/"}/" ;;
    esac
  done <"$work/folders"
  if [ -f "$prefix/$list" ]; then grep '/$' "$prefix/$list" || :; fi
} | LC_ALL=C sort -u >"$work/list"
: >"$work/before"
[ ! -f "$prefix/$list" ] || cp -- "$prefix/$list" "$work/before"

# ---- Into place.

put() { place "$1" "$2" "$3" || die 1 "cannot write $2" 'is the disk full?'; }
put "$work/list" "$prefix/$list" 0644
pages=0
changed=0
while IFS= read -r name; do
  put "$tree/$name" "$prefix/$name" 0644
  case $name in
    share/man/*)
      pages=$((pages + 1))
      [ "$placed" = unchanged ] || changed=$((changed + 1))
      ;;
    *) did "$placed" "$prefix/$name" ;;
  esac
done <"$work/files"
[ "$pages" -eq 0 ] || did installed "man pages in $prefix/share/man/man1: $pages, changed: $changed"
put "$staged" "$bin" 0755
did "$placed" "$bin, $version"

# ---- The schedule.

if [ "$method" != none ]; then
  say "Scheduling: $bin schedule install --method $method"
  scheduling=yes
  code=0
  schedule install --method "$method" || code=$?
  [ "$code" -eq 0 ] || die "$code" "scheduling failed: exit code $code" \
    'fix the error above, or install without a schedule: --no-schedule'
fi

# From here on it is installed, and is not reverted.
unfinished=no

# Files of an earlier version that this one does not have.
while IFS= read -r name; do
  if is_ours "$name" && ! grep -qxF -- "$name" "$work/list" && [ -e "$prefix/$name" ]; then
    rm -f -- "$prefix/$name" && did removed "$prefix/$name, which $version does not have"
  fi
done <"$work/before"

if [ "$method" = none ]; then
  if [ -n "$scheduled_before" ]; then
    say "The existing schedule is kept, by $scheduled_before."
  else
    say 'Nothing is scheduled.'
    if [ "$under_sudo" = yes ]; then
      say "  To schedule it, as its user and without sudo: $(quoted "$bin") schedule install"
    elif [ "$answered" = no ]; then
      say "  To schedule it: $(quoted "$bin") schedule install --method systemd-user, or --method cron"
    fi
  fi
fi
if [ "$turn_off" = yes ]; then
  turn_off_old
elif [ -n "$old_found" ]; then
  say "The schedule that $program replaces is still on. To turn it off:"
  how_to_turn_off
fi

case :${PATH:-}: in
  *":$prefix/bin:"*)
    first=$(command -v "$program" || :)
    [ "$first" = "$bin" ] || say "In your PATH, $first comes before $bin."
    ;;
  *) say "$prefix/bin is not in your PATH. In ~/.profile: PATH=\"$prefix/bin:\$PATH\"" ;;
esac
exit "$incomplete"
