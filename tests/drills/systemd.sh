#!/usr/bin/env bash
# The units and the cron lines of packaging/, run by a real systemd 252 and a real cron: Debian 12, in a
# box of its own (box.sh). One line for each check, PASS or FAIL; ends with 1 if one failed, or if there
# can be no box, and then says why. Nothing stays but the root file system, in CACHE if that is given.
#
# usage: tests/drills/systemd.sh [BINARY [CACHE]]
#
# Needs root, namespaces, debootstrap, and at its first run Debian's archive; about two minutes, or four.
set -Eeuo pipefail
here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
project=$(realpath -- "$here/../..")
# shellcheck source=tests/drills/box.sh
. "$here/box.sh"

binary=$(realpath -m -- "${1:-"$project/target/debug/session-warden"}")
[ -x "$binary" ] || { echo "there is no binary $binary: cargo build first" >&2; exit 1; }
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

# The maps: what is in them, and what is left after a clean -----------------------------------------

idle=1d1e0000-b0c5-4111-8111-111111111111
active=ac710000-b0c5-4222-8222-222222222222
missing=70550000-b0c5-4333-8333-333333333333
named=4a4ed000-b0c5-4444-8444-444444444444
open=019a52b7-0000-7000-8000-000000000005
stays="{\"claude-cli\":{\"active\":\"$active\",\"named\":\"$named\"},\"codex-cli\":{\"open\":\"$open\"}}"

# lay USER FOLDER: sessions in that user's home, and a map of them: one idle, one active, one missing,
# and two that were used long ago, but that processes of that user name and have open.
lay() {
  # shellcheck disable=SC2016
  box_as "$1" bash -euc '
    folder=$1 idle=$2 active=$3 missing=$4 named=$5 open=$6
    projects=$HOME/.claude/projects/-w days=$HOME/.codex/sessions/2026/01/05
    mkdir -p "$projects" "$days" "$folder"
    chmod 755 "$projects"
    for id in "$idle" "$active" "$named"; do
      printf "{\"type\":\"user\",\"sessionId\":\"%s\"}\n" "$id" >"$projects/$id.jsonl"
    done
    rollout=$days/rollout-2026-01-05T10-00-00-$open.jsonl
    printf "{\"type\":\"session_meta\",\"payload\":{\"id\":\"%s\"}}\n" "$open" >"$rollout"
    touch -d "5 hours ago" "$projects/$idle.jsonl" "$projects/$named.jsonl" "$rollout"
    rm -f "$folder/session_map.json"
    printf "{\"claude-cli\":{\"idle\":\"%s\",\"active\":\"%s\",\"missing\":\"%s\",\"named\":\"%s\"},\"codex-cli\":{\"open\":\"%s\"}}" \
      "$idle" "$active" "$missing" "$named" "$open" >"$folder/session_map.json"
    # A group of the user that new files do not get: it has to stay.
    chgrp bridge "$folder/session_map.json"
    chmod 640 "$folder/session_map.json"
  ' lay "$2" "$idle" "$active" "$missing" "$named" "$open"
}

# at_work USER: the processes that use two of the sessions.
at_work() {
  box_run systemd-run --quiet --unit="names-$1" --property=User="$1" \
    python3 -c 'import time; time.sleep(3600)' --resume "$named"
  # A process is known as Codex by the name of its program.
  # shellcheck disable=SC2016
  box_run systemd-run --quiet --unit="opens-$1" --property=User="$1" \
    bash -c 'exec codex 3600 3<"$HOME/.codex/sessions/2026/01/05/rollout-2026-01-05T10-00-00-$0.jsonl"' "$open"
}

# is_clean FOLDER: what is to stay is in the map there, byte for byte, and its owner, group and mode too.
is_clean() {
  is "$stays" "$(box_run cat "$1/session_map.json")" "the map" &&
    has "$(box_run stat -c '%U:%G:%a' "$1/session_map.json")" '^(alice|bob):bridge:640$'
}

# Two ways to run units, as one: the scope is system or user -----------------------------------------

# Sets what differs: whose sessions, the map's folder, the unit and its timer's name.
enter() {
  scope=$1
  case $scope in
  system) user=alice map=/tmp/claude_sessions unit=session-warden@alice units=/etc/systemd/system ;;
  user) user=bob map=/home/bob/bridge unit=session-warden units=/home/bob/.config/systemd/user ;;
  esac
}

# ctl ARGUMENTS...: systemctl, to the one that runs the units.
ctl() {
  case $scope in
  system) box_run systemctl "$@" ;;
  user) box_run systemctl --user -M bob@.host "$@" ;;
  esac
}

# logged [ARGUMENTS...]: what the journal has of the units, as whoever runs them would ask for it.
logged() {
  box_run journalctl --sync
  case $scope in
  system) box_run journalctl --no-pager --quiet "$@" ;;
  user) box_as bob journalctl --user --no-pager --quiet "$@" ;;
  esac
}

# cleaned: starts a clean, and waits for its end. ended CODE: the last one ended so. report: what it said.
cleaned() {
  box_run journalctl --sync
  box_run journalctl --no-pager --lines=0 --show-cursor | sed -n 's/^-- cursor: //p' >"$folder/cursor"
  start_anew
  ctl start "$unit.service"
}
# systemd starts a unit five times in ten seconds at most, until it is told to forget that.
start_anew() { ctl reset-failed "$unit.service" 2>/dev/null || true; }
ended() { is "$1" "$(ctl show --property=ExecMainStatus --value "$unit.service")" "the exit code"; }
report() { reports --after-cursor="$(cat "$folder/cursor")"; }
# reports [ARGUMENTS...]: of all runs. The journal does not always know the last lines of a user's unit as
# that unit's.
reports() {
  case $scope in
  system) logged --output=cat --unit="$unit.service" "$@" ;;
  user) logged --output=cat --identifier=session-warden "$@" ;;
  esac
}

# instead LINE...: a drop-in of these lines for the service; instead_of_timer: for its timer. as_before:
# none again.
drop_in() {
  local name=$1
  shift
  printf '%s\n' "$@" >"$folder/drop-in"
  box_put "$folder/drop-in" "$units/$name.d/drill.conf" 644
  ctl daemon-reload
}
instead() { drop_in "$unit.service" '[Service]' "$@"; }
instead_of_timer() { drop_in "$unit.timer" '[Timer]' "$@"; }
as_before() {
  box_run rm -rf "$units/$unit.service.d" "$units/$unit.timer.d"
  ctl daemon-reload
}

# What is installed ---------------------------------------------------------------------------------

# The binary has to run with the libraries of Debian 12; one that does not is built without any.
install_binary() {
  box_put "$binary" /usr/local/bin/session-warden 755
  if ! box_run session-warden --version >"$folder/said" 2>&1; then
    grep -q GLIBC "$folder/said" || { echo "it does not run: $(cat "$folder/said")"; return 1; }
    local target
    target=$(rustc --version --verbose | sed -n 's/^host: //p')
    (cd "$project" && RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR="$folder/static" \
      cargo build --quiet --locked --all-features --target "$target")
    box_put "$folder/static/$target/debug/session-warden" /usr/local/bin/session-warden 755
    box_run session-warden --version
  fi
}

set_up_users() {
  box_run groupadd bridge
  box_run useradd --create-home --groups bridge --shell /bin/bash alice
  box_run useradd --create-home --groups bridge --shell /bin/bash bob
  # What a process must be called to be taken for Codex.
  box_run cp /bin/sleep /usr/local/bin/codex
  # bob's map lies elsewhere, which the units need not know.
  # shellcheck disable=SC2016
  box_as bob sh -c 'mkdir -p .config/session-warden &&
    printf "[clean]\nsession_dir = \"%s/bridge\"\n" "$HOME" >.config/session-warden/config.toml'
  box_run loginctl enable-linger bob
  eventually 20 box_run systemctl --user -M bob@.host is-active default.target
  lay alice /tmp/claude_sessions
  lay bob /home/bob/bridge
  at_work alice
  at_work bob
}

# The units as they are in packaging/, by hand.
install_raw() {
  enter "$1"
  local file
  for file in "$project/packaging/systemd/$1"/*; do
    box_put "$file" "$units/$(basename "$file")" 644
  done
  case $1 in
  system) box_as alice mkdir -p -m 700 .local/state/session-warden ;;
  user)
    box_run chown -R bob: /home/bob/.config
    box_as bob mkdir -p .local/bin
    box_as bob cp /usr/local/bin/session-warden .local/bin/session-warden
    ;;
  esac
  ctl daemon-reload
}

# systemd forgets how a unit ended as soon as nothing names it. Here a timer does, as there is one wherever
# units are used; it starts nothing.
remember() {
  enter "$1"
  printf '%s\n' '[Timer]' OnActiveSec=1d "Unit=$unit.service" >"$folder/remember"
  box_put "$folder/remember" "$units/drill-remembers.timer" 644
  ctl daemon-reload
  ctl start drill-remembers.timer
}

# The checks ----------------------------------------------------------------------------------------

verifies() {
  enter "$1"
  local said
  case $1 in
  system) said=$(box_run sh -c 'systemd-analyze verify /etc/systemd/system/session-warden* 2>&1') ;;
  user) said=$(box_as bob sh -c 'systemd-analyze --user verify .config/systemd/user/session-warden* 2>&1') ;;
  esac
  is '' "$said" "what verify says"
}

# scores SCOPE UNIT MOST: at most that, in tenths.
scores() {
  enter "$1"
  local ask=(systemd-analyze security --offline=yes --no-pager --threshold="$3" "$units/$2")
  case $1 in
  system) box_run "${ask[@]}" ;;
  user) box_as bob systemd-analyze --user "${ask[@]:1}" ;;
  esac
}

# Two runs, of which the first has something to do. Both reports are in the journal.
cleans() {
  enter "$1"
  lay "$user" "$map"
  local said
  cleaned
  ended 0
  said=$(report)
  for line in ' idle .* removed$' ' missing .* removed$' 'Sessions checked: 5' 'In use \(kept\): 2' \
    'Cleaned up: 2 mappings'; do
    has "$said" "$line"
  done
  is_clean "$map"
  cleaned
  ended 0
  has "$(report)" 'Cleaned up: 0 mappings'
  is 2 "$(reports | grep -c 'Cleanup summary')" "the number of reports"
  # And it can be undone by the user, since the state folder is the user's own.
  has "$(box_as "$user" session-warden undo --dry-run --bridge off)" 'Would restore: 2 mappings'
}

# A stand-in for an idle Claude Code, which a program of the user keeps; its session is the idle one.
start_resident() {
  [ -x "$folder/claude" ] || cc -O2 -static -o "$folder/claude" "$here/resident.c"
  box_run systemctl stop "resident-$user.service" 2>/dev/null || true
  box_run rm -f /opt/claude
  box_put "$folder/claude" /opt/claude 755
  # Not among the arguments: whatever names a session there uses it.
  printf '%s\n\n' "$idle" >"$folder/resident"
  box_put "$folder/resident" /opt/resident 644
  box_as "$user" mkdir -p .claude/sessions
  # shellcheck disable=SC2016
  box_run systemd-run --quiet --collect --unit="resident-$user" --property=User="$user" sh -c \
    '{ cat /opt/resident; sleep 600; } | /opt/claude "$1" "$1/results" 1 0 0' sh "/home/$user"
  eventually 10 box_as "$user" sh -c 'ls .claude/sessions/*.json'
}

# With --release the unit ends a process of the user, sees its input through sock_diag, and keeps the mapping.
releases() {
  enter "$1"
  lay "$user" "$map"
  start_resident
  cleaned
  ended 0
  has "$(report)" ' resident .* kept: process [0-9]+ holds [0-9.]+ [kM]B, 0 connections$'

  local config=/home/$user/.config/session-warden/config.toml program=/usr/local/bin/session-warden
  box_as "$user" sh -c 'mkdir -p .config/session-warden && cp .config/session-warden/config.toml .config/saved ||
    printf "[clean]\n" >.config/session-warden/config.toml'
  box_as "$user" sh -c 'echo "map_format = \"claude-remote\"" >>.config/session-warden/config.toml'
  [ "$scope" = system ] || program=/home/bob/.local/bin/session-warden
  instead ExecStart= "ExecStart=$program clean --release -v --config $config"
  cleaned
  ended 0
  has "$(report)" ' resident .* released: process [0-9]+ held [0-9.]+ [kM]B, 0 connections$'
  has "$(box_as "$user" cat results)" "^$idle idle -1 0\$"
  has "$(box_run cat "$map/session_map.json")" "$idle"
  has "$(box_as "$user" session-warden history latest)" "claude --resume $idle\$"
  as_before
  box_as "$user" sh -c 'if [ -e .config/saved ]; then mv .config/saved .config/session-warden/config.toml
    else rm .config/session-warden/config.toml; fi; rm results'
}

over_a_bridge() {
  enter system
  lay alice "$map"
  box_put "$here/stand_in.py" /opt/stand_in.py 644
  box_run systemd-run --quiet --unit=bridge --property=User=alice python3 /opt/stand_in.py "$map"
  eventually 10 box_run python3 -c 'import socket; socket.create_connection(("127.0.0.1", 8000))'
  cleaned
  ended 0
  has "$(report)" 'Cleaned up: 2 mappings'
  is "$stays" "$(box_run cat "$map/session_map.json" | tr -d ' ')" "the map"
  local asked
  box_run journalctl --sync
  asked=$(box_run journalctl --no-pager --quiet --output=cat --unit=bridge.service)
  is 2 "$(grep -c DELETE <<<"$asked")" "the number of calls to let one go"
  box_run systemctl stop bridge.service
}

# What a process of the unit can do, as it tells itself: a Python program in the binary's place.
cat >"$folder/probe.py" <<'PROBE'
import ctypes
import os
import socket
import sys


def tries(name, deed):
    try:
        deed()
        print(name, "yes")
    except OSError as error:
        print(name, error.strerror or error)


for line in open("/proc/self/status"):
    if line.split(":")[0] in ("NoNewPrivs", "Seccomp", "CapBnd", "Uid"):
        print(*line.split()[:2])
home = os.path.expanduser("~")
for name, path in [
    ("map", sys.argv[1]),
    ("state", home + "/.local/state/session-warden"),
    ("sessions", home + "/.claude/projects"),
    ("home", home),
    ("var", "/var/lib"),
]:
    tries("writes-" + name, lambda: (open(path + "/probe", "w").close(), os.remove(path + "/probe")))
tries("lists-sessions", lambda: os.listdir(home + "/.claude/projects"))
tries("lists-locks", lambda: open("/proc/locks").read())
tries("lists-sockets", lambda: open("/proc/net/tcp").read())
print("sees-others-tmp", os.path.exists("/tmp/others"))
print("own-user-namespace", os.stat("/proc/self/ns/user").st_ino != int(sys.argv[2]))
tries("namespaces", lambda: None if ctypes.CDLL(None).unshare(0x10000000) == 0 else os.getxattr("/", "user.no"))
tries("talks-loopback", lambda: socket.create_connection(("127.0.0.1", 7777), 2))
tries("talks-elsewhere", lambda: socket.create_connection(("192.0.2.1", 7777), 2))
tries("unix-sockets", lambda: socket.socket(socket.AF_UNIX))
tries("raw-sockets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
PROBE

# probed SCOPE: what the probe says, run with all of the unit's settings. It may not talk to an address
# that is not loopback, though one listens there.
probed() {
  enter "$1"
  box_put "$folder/probe.py" /opt/probe.py 644
  box_run touch /tmp/others
  box_run ip address replace 192.0.2.1/32 dev lo
  box_run systemctl is-active --quiet listens.service || box_run systemd-run --quiet --unit=listens \
    python3 -m http.server 7777
  eventually 10 box_run python3 -c 'import socket; socket.create_connection(("192.0.2.1", 7777))'
  instead ExecStart= "ExecStart=/usr/bin/python3 /opt/probe.py $map $(box_run stat -L -c %i /proc/self/ns/user)"
  cleaned
  report >"$folder/probed"
  as_before
  cat "$folder/probed"
}

hardened() {
  local said line
  said=$(probed "$1")
  local wanted=('NoNewPrivs: 1' 'Seccomp: 2' 'writes-map yes' 'writes-state yes' 'lists-sessions yes'
    'lists-locks yes' 'lists-sockets yes' 'own-user-namespace False' 'talks-loopback yes' 'raw-sockets .*not supported.*')
  case $1 in
  system) wanted+=('CapBnd: 0+' 'writes-sessions Read-only.*' 'writes-home Read-only.*' 'writes-var Read-only.*'
    'sees-others-tmp False' 'talks-elsewhere timed out' 'unix-sockets .*not supported.*') ;;
  user) wanted+=('talks-elsewhere yes' 'unix-sockets yes') ;;
  esac
  for line in "${wanted[@]}"; do has "$said" "^$line\$"; done
  lacks "$said" '^namespaces yes$'
  lacks "$said" '^Uid: 0$'
}

is_idle() { is inactive "$(ctl is-active "$unit.service")" "the service"; }
# The timer starts a clean by itself. All but its calendar and its delay is as it is.
fires() {
  enter "$1"
  lay "$user" "$map"
  instead_of_timer OnCalendar= 'OnCalendar=*:*:0/3' RandomizedDelaySec=0 AccuracySec=100ms
  start_anew
  ctl enable --now --quiet "$unit.timer"
  eventually 30 is_clean "$map"
  ctl disable --now --quiet "$unit.timer"
  eventually 10 is_idle
  ended 0
  as_before
}

# failed_lines: what the unit for failures has said of ours, each line after its priority.
failed_lines() {
  logged --output=json -t session-warden-failed |
    python3 -c 'import json, sys
for line in sys.stdin:
    entry = json.loads(line)
    print(entry["PRIORITY"], entry["MESSAGE"])'
}
count_failed() { failed_lines | grep -c . || true; }
has_failed() { is "$1" "$(count_failed)" "the number of lines about failures"; }

tells_of_failure() {
  enter "$1"
  lay "$user" "$map"
  local before said asked why code=0
  before=$(count_failed)
  case $2 in
  1)
    why=session_map.json
    box_as "$user" sh -c "printf '{\"claude-cli\": {' >'$map/session_map.json'"
    cleaned || code=$?
    ;;
  3)
    why=.claude/projects/-w
    box_as "$user" chmod 0 .claude/projects/-w
    cleaned || code=$?
    box_as "$user" chmod 755 .claude/projects/-w
    ;;
  esac
  if [ "$code" = 0 ]; then echo 'the run succeeds'; return 1; fi
  ended "$2"
  is failed "$(ctl is-failed "$unit.service")" "the service"
  eventually 10 has_failed $((before + 1))
  said=$(failed_lines | tail -n 1)
  has "$said" "^3 $unit.service has failed; its report: journalctl "
  # What it says to ask for shows what was wrong.
  asked=${said##*its report: journalctl }
  # shellcheck disable=SC2086
  case $scope in
  system) has "$(box_run journalctl --no-pager $asked)" "(error|warning): .*$why" ;;
  user) has "$(box_as bob journalctl --no-pager $asked)" "(error|warning): .*$why" ;;
  esac
  ctl reset-failed "$unit.service"
}

# A run that ends with 75, for the lock.
tells_of_no_failure() {
  enter "$1"
  local before code=0
  before=$(count_failed)
  lay "$user" "$map"
  box_run systemd-run --quiet --collect --unit=holds --property=User="$user" \
    flock "$map/.session_map.json.session-warden.lock" sleep 600
  eventually 10 box_run sh -c "! flock --nonblock '$map/.session_map.json.session-warden.lock' true"
  cleaned || code=$?
  box_run systemctl stop holds.service
  is 0 "$code" "the end of systemctl start"
  ended 75
  is success "$(ctl show --property=Result --value "$unit.service")" "the result"
  sleep 2
  has_failed "$before"
}

# A cron that runs both lines each minute, and a sendmail that keeps what cron mails. The third job proves
# that cron would.
cron_is_silent() {
  cat >"$folder/sendmail" <<'MAIL'
#!/bin/sh
cat >>/var/mailed
echo >>/var/mailed
MAIL
  box_put "$folder/sendmail" /usr/sbin/sendmail 755
  box_run sh -c ': >/var/mailed && chmod 666 /var/mailed'
  lay alice /tmp/claude_sessions
  lay bob /home/bob/bridge
  local cron=$project/packaging/cron
  sed 's/^5 /* /' "$cron/session-warden.cron.d" >"$folder/cron.d"
  sed 's/^5 /* /' "$cron/session-warden.crontab" >"$folder/crontab"
  echo '* * * * * root echo control' >"$folder/control"
  box_put "$folder/cron.d" /etc/cron.d/session-warden 644
  box_put "$folder/control" /etc/cron.d/control 644
  box_run crontab -u bob - <"$folder/crontab"
  box_run systemctl restart cron.service
  eventually 90 box_run grep -q control /var/mailed
  eventually 30 is_clean /tmp/claude_sessions
  eventually 30 is_clean /home/bob/bridge
  sleep 2
  box_run systemctl stop cron.service
  local said
  box_run journalctl --sync
  said=$(box_run journalctl --no-pager --quiet --output=cat -t CRON)
  has "$said" '\(root\) CMD .*/usr/local/bin/session-warden clean -q'
  has "$said" '\(bob\) CMD .*/usr/local/bin/session-warden clean -q'
  lacks "$said" 'No MTA|discarding|rror|failed'
  said=$(box_run cat /var/mailed)
  is 1 "$(grep -c '^Subject: Cron <root@.*> echo control$' <<<"$said")" "the number of mails of the control"
  lacks "$said" 'session-warden'
}

# What `schedule` installs ---------------------------------------------------------------------------

# The raw units go, and what they left behind.
remove_raw() {
  for scope in system user; do
    enter "$scope"
    ctl disable --now --quiet "$unit.timer" 2>/dev/null || true
    box_run sh -c "rm -rf $units/session-warden*"
    ctl daemon-reload
    ctl reset-failed
  done
  box_run rm -f /etc/cron.d/session-warden /etc/cron.d/control /home/bob/.config/session-warden/config.toml
}

# units_of_ours: every file of units that is ours, and every unit that systemd still knows of.
units_of_ours() {
  box_run sh -c "find $units -name 'session-warden*'"
  # One that is not found is only named, by the timer that remembers.
  ctl list-units --all --plain --no-legend 'session-warden*' | grep -v ' not-found ' || true
}

status_of() { box_as "$user" session-warden schedule status; }
has_next_run() { has "$(status_of)" '^  next run +[A-Z][a-z][a-z] '; }

# A timer of bob's own, for a map in the usual place, as he would install it; and again; and away.
schedules_for_a_user() {
  enter user
  box_run rm -rf /tmp/claude_sessions
  map=/tmp/claude_sessions
  lay bob "$map"
  local said
  said=$(box_as bob session-warden schedule install --method systemd-user --on-calendar '*:*:0/3' --pin 'x*')
  has "$said" '^added .*/session-warden.timer$'
  has "$said" '^done .*session-warden.timer$'
  lacks "$said" 'enable-linger'
  eventually 30 is_clean "$map"
  # While the service runs, the timer has no next run.
  eventually 10 has_next_run
  said=$(status_of)
  has "$said" '^systemd-user: session-warden, active$'
  has "$said" '^Your last run: .*, exit 0: '
  is '' "$(box_as bob sh -c 'systemd-analyze --user verify .config/systemd/user/session-warden* 2>&1')" verify
  said=$(box_as bob session-warden schedule install --method systemd-user --on-calendar '*:*:0/3' --pin 'x*')
  lacks "$said" '^(added|replaced)'
  said=$(box_as bob session-warden schedule uninstall)
  has "$said" '^removed .*/session-warden.timer$'
  eventually 10 is_away
  has "$(status_of)" '^No timer is installed'
  has "$(box_as bob session-warden schedule uninstall)" '^No timer was installed'
}
is_away() { is '' "$(units_of_ours)" "what is left"; }

# The template for alice, as root would install it, with a map below /tmp and one that fails.
schedules_for_the_system() {
  enter system
  map=/tmp/alices/bridge
  box_as alice mkdir -p "$map"
  lay alice "$map"
  local said before
  said=$(box_run session-warden schedule install --method systemd-system --user alice \
    --session-dir "$map" --on-calendar '*:*:0/3')
  has "$said" '^added .*/session-warden@alice.timer.d/schedule.conf$'
  eventually 30 is_clean "$map"
  has "$(box_run session-warden schedule status)" '^systemd-system: session-warden as alice, active$'
  is '' "$(box_run sh -c 'systemd-analyze verify /etc/systemd/system/session-warden*.service /etc/systemd/system/session-warden*.timer 2>&1')" verify
  before=$(count_failed)
  box_as alice sh -c "printf '{\"claude-cli\": {' >'$map/session_map.json'"
  eventually 20 has_failed_since "$before"
  said=$(box_run session-warden schedule uninstall --method systemd-system)
  has "$said" '^removed '
  eventually 10 is_away
  # A state folder that root had to make is the user's own.
  is alice:700 "$(box_run stat -c %U:%a /home/alice/.local/state/session-warden)" "the state folder"
}
# A name that systemd escapes in a unit's name; and a folder of the CLI's that only the caller knows.
schedules_for_an_odd_name() {
  enter system
  box_run useradd --create-home --groups bridge --shell /bin/bash dev-bot
  user=dev-bot unit='session-warden@dev\x2dbot' map=/srv/dev-bot
  box_run install -d -o dev-bot "$map"
  lay dev-bot "$map"
  box_as dev-bot sh -c 'mkdir -p /tmp/cl && mv .claude/projects /tmp/cl/projects'
  box_run env CLAUDE_CONFIG_DIR=/tmp/cl session-warden schedule install --method systemd-system \
    --user dev-bot --session-dir "$map"
  cleaned
  ended 0
  has "$(report)" 'Cleaned up: 4 mappings'
  box_run session-warden schedule uninstall --user dev-bot
  eventually 10 is_away
}
has_failed_since() { [ "$(count_failed)" -gt "$1" ]; }

# A line in bob's crontab, beside one of his own.
schedules_in_cron() {
  box_run rm -rf /tmp/claude_sessions
  lay bob /tmp/claude_sessions
  box_run sh -c ': >/var/mailed'
  printf '# his own\n@yearly date +\\%%F\n' | box_run crontab -u bob -
  local before said
  before=$(box_run crontab -u bob -l)
  box_as bob session-warden schedule install --method cron --every 1m
  has "$(box_run crontab -u bob -l)" '^\* \* \* \* \* .* clean -q # installed by session-warden'
  box_run systemctl restart cron.service
  user=bob
  has "$(status_of)" '^cron: session-warden, active$'
  eventually 90 is_clean /tmp/claude_sessions
  sleep 2
  box_run systemctl stop cron.service
  lacks "$(box_run cat /var/mailed)" 'session-warden'
  box_as bob session-warden schedule uninstall
  is "$before" "$(box_run crontab -u bob -l)" "the crontab"
}

# keepalive serve as a unit of the system's. A box may mount nothing for one service alone, so its key stays where
# only root reads it; what it runs sees nothing of it in any case.
serves_as_a_service() {
  enter system
  local said service=session-warden-serve@alice.service
  box_run sh -c 'mkdir -p /etc/session-warden && umask 077 && echo sk-ant-sid01-of-a-drill >/etc/session-warden/alice.key'
  box_as alice sh -c 'mkdir -p .config/session-warden && cat >.config/session-warden/config.toml' <<'EOF'
[[keepalive]]
id = "own"
action = "command"
command = "env >$HOME/seen"
every = "30s"
EOF
  ctl start "$service"
  eventually 20 box_as alice test -s seen
  eventually 20 asks_status '"id":"own".*"result":"done"'
  lacks "$(box_as alice cat seen)" 'CREDENTIALS_DIRECTORY|sk-ant'
  ctl stop "$service"
  is 0 "$(ctl show --property=ExecMainStatus --value "$service")" "the exit code"
  box_run rm -rf /etc/session-warden
  box_as alice rm .config/session-warden/config.toml seen .local/state/session-warden/keepalive.json
}
asks_status() {
  local page='import urllib.request as r; print(r.urlopen("http://127.0.0.1:3000/status", timeout=5).read().decode())'
  has "$(box_run python3 -c "$page")" "$1"
}

# Keep-alive: a job of the user's own is run, and a CLI that is at its turn when the pass is stopped gets to
# end by itself.
keeps_alive() {
  enter "$1"
  local said more=() service=session-warden-keepalive.service
  if [ "$scope" = system ]; then
    # Root obeys what another user has written only where that is said.
    more=(--user alice --config /home/alice/.config/session-warden/config.toml)
    service=session-warden-keepalive@alice.service
  fi
  # shellcheck disable=SC2016
  box_as "$user" sh -c 'mkdir -p .config/session-warden .local/bin && rm -f kept turn &&
    cat >.config/session-warden/config.toml && cat >.local/bin/claude <<EOF && chmod 755 .local/bin/claude
#!/bin/sh
trap "sleep 1; echo ended >>$HOME/turn; exit 1" TERM
echo begun >>$HOME/turn
while :; do sleep 0.1; done
EOF' <<'EOF'
[[keepalive]]
id = "own"
action = "command"
command = "date >>$HOME/kept"
every = "1m"
EOF
  # shellcheck disable=SC2016
  local install='PATH=$HOME/.local/bin:$PATH session-warden schedule install --keepalive "$@"'
  case $scope in
  system) said=$(box_run sh -c "$install" sh --method systemd-system "${more[@]}" --every 1m) ;;
  user) said=$(box_as bob sh -c "$install" sh --method systemd-user --every 1m) ;;
  esac
  has "$said" '^added .*/session-warden-keepalive@?.timer$'
  # It comes once a minute at most; here it comes more often.
  # Its own drop-in, where it has one, is read before this.
  printf '%s\n' '[Timer]' 'OnCalendar=' 'OnCalendar=*:*:0/3' >"$folder/drop-in"
  box_put "$folder/drop-in" "$units/${service%.service}.timer.d/zz.conf" 644
  ctl daemon-reload
  ctl restart "${service%.service}.timer"
  eventually 30 box_as "$user" test -s kept
  has "$(box_as "$user" session-warden keepalive status)" '^  result +done$'
  case $scope in
  system) said=$(box_run sh -c 'cd /etc/systemd/system && systemd-analyze verify session-warden-keepalive*.service session-warden-keepalive*.timer 2>&1') ;;
  user) said=$(box_as bob sh -c 'cd .config/systemd/user && systemd-analyze --user verify session-warden-keepalive*.service session-warden-keepalive*.timer 2>&1') ;;
  esac
  is '' "$said" verify
  box_as "$user" sh -c 'cat >>.config/session-warden/config.toml' <<'EOF'
[[keepalive]]
id = "turn"
action = "cli-ping"
cli = "claude"
every = "1h"
EOF
  eventually 30 box_as "$user" test -s turn
  ctl stop "${service%.service}.timer"
  ctl stop "$service"
  is 'begun ended' "$(box_as "$user" cat turn | tr '\n' ' ' | sed 's/ $//')" "what the CLI did"
  has "$(box_as "$user" session-warden keepalive status)" 'stopped by a signal'
  said=$(case $scope in
    system) box_run session-warden schedule uninstall --keepalive ;;
    user) box_as bob session-warden schedule uninstall --keepalive ;;
    esac)
  has "$said" '^removed .*/session-warden-keepalive@?.timer$'
  box_run rm -rf "$units/${service%.service}.timer.d"
  ctl daemon-reload
  eventually 10 is_away
  box_as "$user" rm .config/session-warden/config.toml
}

# ---------------------------------------------------------------------------------------------------

box_build "$cache/bookworm"
box_up "$cache/bookworm" "$folder"

check 'systemd in the box is 252' has "$(box_run systemctl --version)" '^systemd 252 '
check 'the binary runs on Debian 12' install_binary
check 'users, sessions and maps' set_up_users
check 'system units are installed' install_raw system
check 'user units are installed' install_raw user
remember system
remember user
[ "$failures" -eq 0 ] || exit 1

check 'system: systemd-analyze verify says nothing' verifies system
check 'system: security of the clean at most 1.5' scores system session-warden@.service 15
check 'system: security of the failure unit at most 1.5' scores system session-warden-failed@.service 15
check 'system: security of keep-alive at most 4' scores system session-warden-keepalive@.service 40
check 'system: security of keepalive serve at most 4' scores system session-warden-serve@.service 40
check 'user: systemd-analyze verify says nothing' verifies user
check 'user: security of the clean at most 6.5' scores user session-warden.service 65
check 'user: security of the failure unit at most 6.5' scores user session-warden-failed@.service 65
for scope in system user; do
  check "$scope: a clean of the user's map, and every report is in the journal" cleans "$scope"
  check "$scope: the hardening is active" hardened "$scope"
  check "$scope: the timer fires" fires "$scope"
  check "$scope: a run that exits 1 is a failure, and said to be one" tells_of_failure "$scope" 1
  check "$scope: a run that exits 3 is a failure, and said to be one" tells_of_failure "$scope" 3
  check "$scope: a run that exits 75 is none" tells_of_no_failure "$scope"
  check "$scope: an idle process is shown, and ended with --release" releases "$scope"
  box_run systemctl stop resident-alice.service resident-bob.service 2>/dev/null || true
done
check 'system: a clean over a bridge on loopback' over_a_bridge
check 'cron: both lines clean, and nothing is mailed' cron_is_silent
check 'system: keepalive serve as a service' serves_as_a_service
remove_raw
check 'schedule: a timer of a user, installed, shown and removed' schedules_for_a_user
check 'schedule: a timer of the system, installed, shown, failing and removed' schedules_for_the_system
check 'schedule: a timer of the system for a user with a dash, and a folder below /tmp' schedules_for_an_odd_name
check 'schedule: a line in a crontab, beside another' schedules_in_cron
check 'user: keep-alive runs, and a stop lets a CLI end by itself' keeps_alive user
check 'system: keep-alive runs, and a stop lets a CLI end by itself' keeps_alive system

[ "$failures" -eq 0 ] || { echo "$failures failed" >&2; exit 1; }
