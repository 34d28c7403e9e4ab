#!/usr/bin/env bash
# The package for Debian through its whole life, in a Debian 12 of its own with a real systemd (box.sh): it
# is installed, runs, is upgraded, removed and purged. One line for each check, PASS or FAIL; ends with 1 if
# one failed, or if there can be no box, and then says why. Nothing stays but the root file system, in CACHE
# if that is given.
#
# usage: tests/drills/deb.sh PACKAGE [CACHE]
#
# Needs root, namespaces, debootstrap, and at its first run Debian's archive; about a minute, or three.
set -Eeuo pipefail
here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
# shellcheck source=tests/drills/box.sh
. "$here/box.sh"

[ $# -ge 1 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
package=$(realpath -- "$1")
box_can || exit 1
folder=$(mktemp -d)
cache=$(realpath -m -- "${2:-"$folder/cache"}")
finish() {
  trap - EXIT
  box_down
  rm -rf --one-file-system -- "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# shellcheck source=tests/drills/checks.sh
. "$here/checks.sh"

version=$(dpkg-deb --field "$package" Version)
timer=session-warden@alice.timer keep=session-warden-keepalive@alice.timer

# An older package, made of this one: with a file that the new one has no more, and another version.
make_older() {
  dpkg-deb --raw-extract "$package" "$folder/older"
  sed -i 's/^Version: .*/Version: 0.0.1-1/' "$folder/older/DEBIAN/control"
  echo 'gone' >"$folder/older/usr/share/doc/session-warden/examples/gone"
  dpkg-deb --root-owner-group --build "$folder/older" "$folder/older.deb"
  box_put "$package" /root/new.deb 644
  box_put "$folder/older.deb" /root/older.deb 644
}

# all_files: every file, folder and link there is, with mode, owner and target; what changes by itself left out.
all_files() {
  box_run find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
    -o -path /var/log -o -path /var/tmp -o -path /home -o -path /.old -o -path '/var/lib/dpkg/*' \
    -o -path '/var/lib/systemd/timers/stamp-[^s]*' -o -path /var/lib/systemd/random-seed \) -prune \
    -o -printf '%M %u:%g %p %l\n' | LC_ALL=C sort
}
# as_before: all files are those that there were before the package.
as_before() { all_files | diff "$folder/files" - ; }

set_up() {
  box_run useradd --create-home alice
  box_run loginctl enable-linger alice
  eventually 30 box_as alice systemctl --user show-environment
  all_files >"$folder/files"
}

# What dpkg is asked for, in its own form.
# shellcheck disable=SC2016
status='${Status} ${Version}' names='${Package}\n'
# installed VERSION: whole, as dpkg sees it and as the program says itself.
installed() {
  is "install ok installed $1" "$(box_run dpkg-query --show --showformat "$status" session-warden)" 'the status'
  is '' "$(box_run dpkg --verify session-warden)" 'what differs from the package'
}
install() {
  box_run dpkg --install "/root/$1.deb"
  installed "$2"
}
runs() {
  is "session-warden ${version%-*}" "$(box_as alice session-warden --version)"
  box_as alice session-warden demo
}

# Units and timers are known, and nothing is on: no unit, and no link in /etc.
enables_nothing() {
  local units
  units=$(box_run systemctl list-unit-files --no-legend 'session-warden*')
  # Beside the state stands what the distribution's preset would have it be, if somebody asked for that.
  units=$(awk '{ print $1, $2 }' <<<"$units")
  has "$units" '^session-warden@\.timer disabled$'
  has "$units" '^session-warden@\.service static$'
  has "$units" '^session-warden-keepalive@\.timer disabled$'
  lacks "$units" ' enabled$'
  has "$(box_as alice systemctl --user list-unit-files --no-legend 'session-warden*')" '^session-warden\.timer +disabled'
  is '' "$(box_run systemctl list-units --all --no-legend --plain 'session-warden*')" 'what runs'
  is '' "$(box_run find /etc -name '*session-warden*')" 'what is in /etc'
}

has_all() {
  local file command
  for file in bash-completion/completions/session-warden zsh/vendor-completions/_session-warden \
    fish/vendor_completions.d/session-warden.fish doc/session-warden/copyright \
    doc/session-warden/examples/config.example.toml doc/session-warden/examples/hooks/codex.json; do
    box_run test -s "/usr/share/$file"
  done
  # A page for every command that the help names.
  for command in '' $(box_run session-warden --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/-\1/p'); do
    box_run gzip --test "/usr/share/man/man1/session-warden$command.1.gz"
  done
  box_run bash --norc -euc '. /usr/share/bash-completion/completions/session-warden && complete -p session-warden'
  is '' "$(box_run systemd-analyze verify session-warden@alice.service "$timer" session-warden-keepalive@alice.service "$keep" 2>&1)" 'what systemd finds'
  # The example is a configuration.
  box_as alice session-warden clean --config /usr/share/doc/session-warden/examples/config.example.toml --dry-run
}

idle=1d1e0000-b0c5-4111-8111-111111111111
active=ac710000-b0c5-4222-8222-222222222222
# lay: one idle session of alice's, and one that is not.
lay() {
  # shellcheck disable=SC2016
  box_as alice bash -euc '
    projects=$HOME/.claude/projects/-w
    mkdir -p "$projects" /tmp/claude_sessions
    for id in "$1" "$2"; do printf "{\"type\":\"user\",\"sessionId\":\"%s\"}\n" "$id" >"$projects/$id.jsonl"; done
    touch -d "5 hours ago" "$projects/$1.jsonl"
    printf "{\"claude-cli\":{\"idle\":\"%s\",\"active\":\"%s\"}}" "$1" "$2" >/tmp/claude_sessions/session_map.json
  ' lay "$idle" "$active"
}
is_clean() { is "{\"claude-cli\":{\"active\":\"$active\"}}" "$(box_run cat /tmp/claude_sessions/session_map.json)" 'the map'; }

cleans_by_hand() {
  lay
  box_as alice session-warden
  is_clean
}
cleans_by_the_system() {
  lay
  box_run systemctl start session-warden@alice.service
  is_clean
}
cleans_by_the_user() {
  lay
  box_as alice systemctl --user start session-warden.service
  is_clean
}

enable() {
  box_run systemctl enable --now "$timer" "$keep"
  box_as alice systemctl --user enable --now session-warden.timer session-warden-keepalive.timer
  is_on
}
is_on() {
  for state in enabled active; do
    for one in "$timer" "$keep"; do box_run systemctl "is-$state" "$one"; done
    for one in session-warden.timer session-warden-keepalive.timer; do box_as alice systemctl --user "is-$state" "$one"; done
  done
}

upgrades() {
  box_run test -e /usr/share/doc/session-warden/examples/gone
  install new "$version"
  box_run test ! -e /usr/share/doc/session-warden/examples/gone
  is_on
  runs_in_history
}
runs_in_history() { has "$(box_as alice session-warden history)" ' 1$'; }

# What would start a program that is gone is stopped; what somebody has set stays.
removes() {
  box_run dpkg --remove session-warden
  box_run test ! -e /usr/bin/session-warden
  for one in "$timer" "$keep"; do is inactive "$(box_run systemctl is-active "$one" || true)" "$one"; done
  for one in session-warden.timer session-warden-keepalive.timer; do
    is inactive "$(box_as alice systemctl --user is-active "$one" || true)" "alice's $one"
  done
  box_run test -L "/etc/systemd/system/timers.target.wants/$timer"
}
comes_back() {
  install new "$version"
  box_run systemctl is-enabled "$timer"
}
# What `schedule` has installed is not the package's, though its timer has the same name.
leaves_what_is_scheduled() {
  local link=/etc/systemd/system/timers.target.wants/$timer
  install new "$version"
  box_run session-warden schedule install --method systemd-system --user alice
  box_run test -L "$link"
  box_run dpkg --purge session-warden
  box_run test -L "$link"
  is /etc/systemd/system/session-warden@.timer "$(box_run readlink "$link")" 'what it leads to'
}
leaves_users_their_own() {
  box_run test -s /home/alice/.local/state/session-warden/runs.jsonl
  box_run test -s "/home/alice/.claude/projects/-w/$idle.jsonl"
}
is_unknown() { lacks "$(box_run dpkg-query --show --showformat "$names")" '^session-warden'; }

# ---------------------------------------------------------------------------------------------------

box_build "$cache/bookworm"
box_up "$cache/bookworm" "$folder"

check 'an older package, made of this one' make_older
check 'a user, and what there is before' set_up
check "it is installed: $version" install new "$version"
check 'nothing is enabled, and nothing runs' enables_nothing
check 'man pages, completions, units, copyright and example are there and work' has_all
check 'it runs' runs
check 'a clean by hand' cleans_by_hand
check "a clean by the system's unit" cleans_by_the_system
check "a clean by the user's unit" cleans_by_the_user
check 'it is purged' box_run dpkg --purge session-warden
check 'all files are as before' as_before
check 'an older version is installed' install older 0.0.1-1
check 'timers are enabled, by an administrator and by a user' enable
check 'it is upgraded, and what was on stays on' upgrades
check 'it is removed: no timer is left running' removes
check 'it comes back, with what was enabled' comes_back
check 'it is purged again' box_run dpkg --purge session-warden
check 'and all files are as before again' as_before
check 'sessions and state of the user stay' leaves_users_their_own
check 'dpkg knows it no more' is_unknown
check 'a purge leaves what the program itself has scheduled' leaves_what_is_scheduled

[ "$failures" -eq 0 ] || { echo "$failures failed" >&2; exit 1; }
