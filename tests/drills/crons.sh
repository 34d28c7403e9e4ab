#!/usr/bin/env bash
# schedule install and uninstall with the real crons of Debian: Vixie's (cron), busybox, systemd-cron and cronie; and
# the line that they run, in every shell that a crontab may name. One line for each check, PASS or FAIL; ends with 1 if
# one failed. The packages are unpacked into a folder of the drill's own; the machine's crontabs are not visible to it.
#
# usage: tests/drills/crons.sh [BINARY]
#
# Needs root, mount namespaces, zsh, fish, dash, python3, and Debian's archive; about two minutes.
set -euo pipefail
here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
binary=$(realpath -m -- "${1:-"$here/../../target/debug/session-warden"}")
[ -x "$binary" ] || { echo "there is no binary $binary: cargo build first" >&2; exit 1; }
for tool in apt-get dpkg-deb unshare chroot zsh fish dash python3; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done

# In a mount namespace with a spool of its own.
if [ -z "${CRONS_INSIDE:-}" ]; then
  CRONS_INSIDE=1 exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$binary"
fi
mount -t tmpfs crons /var/spool
mkdir -p /var/spool/cron/crontabs

folder=$(mktemp -d)
trap 'rm -rf --one-file-system -- "$folder"' EXIT
# shellcheck source=tests/drills/checks.sh
. "$here/checks.sh"

# unpack SUITE ROOT PACKAGE...: the files of these packages, below ROOT.
unpack() {
  local suite=$1 root=$2 apt=$folder/apt-$1
  shift 2
  if [ ! -d "$apt" ]; then
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" \
      >"$apt/sources.list"
    apt_in "$apt" update
  fi
  mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/packages"
  for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$root/$name"; done
  (cd "$root/packages" && apt_in "$apt" download "$@")
  for package in "$root/packages"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
  done
}
apt_in() {
  local apt=$1
  shift
  apt-get -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root "$@" >&2
}

# crontab_of CRON: its program, as `crontab` in a folder for PATH.
crontab_of() {
  mkdir -p "$folder/bin-$1"
  printf '#!/bin/sh\n%s "$@"\n' "$2" >"$folder/bin-$1/crontab"
  chmod +x "$folder/bin-$1/crontab"
}

unpack bookworm "$folder/twelve" cron busybox-static systemd-cron tcsh
# systemd-cron has a crontab of the same name.
unpack bookworm "$folder/vixie" cron
unpack trixie "$folder/cronie" cronie libc6 libpam0g libpam-modules libselinux1 libaudit1 libpcre2-8-0 libcap-ng0 libcrypt1
mkdir -p "$folder/cronie/etc" "$folder/cronie/tmp" "$folder/cronie/var/spool/cron"
echo 'root:x:0:0::/root:/bin/sh' >"$folder/cronie/etc/passwd"
generator=$folder/twelve/usr/lib/systemd/system-generators
sed -i "s|/lib/systemd/system-generators|$generator|" "$folder/twelve/usr/bin/crontab"
crontab_of vixie "exec $folder/vixie/usr/bin/crontab"
crontab_of busybox "exec $folder/twelve/bin/busybox crontab"
crontab_of systemd-cron "exec $folder/twelve/usr/bin/crontab"
crontab_of cronie "exec $(command -v chroot) $folder/cronie /usr/bin/crontab"
tcsh=$folder/twelve/usr/bin/tcsh
[ -x "$tcsh" ] || tcsh=$folder/twelve/bin/tcsh

mkdir -p "$folder/home" "$folder/sessions"
echo '{}' >"$folder/sessions/session_map.json"
log="$folder/it's #1 of 50%!"
# warden CRON ARGUMENT...: the program, with that cron's crontab.
warden() {
  local cron=$1
  shift
  env -i HOME="$folder/home" PATH="$folder/bin-$cron:/usr/bin:/bin" CLAUDE_SESSION_DIR="$folder/sessions" \
    CLAUDE_BRIDGE_PORT=1 "$binary" "$@"
}
tab() { env -i PATH="$folder/bin-$1:/usr/bin:/bin" crontab "$2"; }

# A user without a crontab gets one, and has none afterwards.
comes_and_goes() {
  local cron=$1 out
  has "$(warden "$cron" schedule uninstall --method cron)" '^No timer was installed'
  out=$(warden "$cron" schedule install --method cron)
  has "$out" '^added      crontab: 5 \* \* \* \* /usr/bin/env '
  has "$out" '^done       created a crontab'
  has "$(warden "$cron" schedule install --method cron)" '^unchanged  crontab: '
  has "$(warden "$cron" schedule status)" '^cron: session-warden'
  warden "$cron" schedule uninstall --method cron
  lacks "$(tab "$cron" -l 2>/dev/null || true)" session-warden
}

# What the user has set for all lines is as it was, with ours and after it.
leaves_the_rest() {
  local cron=$1 own
  own=$(printf 'SHELL=%s\nMAILTO=""\nPATH=/nowhere\n0 0 1 1 * date +\\%%F' "$tcsh")
  printf '%s\n' "$own" | tab "$cron" -
  own=$(tab "$cron" -l)
  warden "$cron" schedule install --method cron --log "$log"
  is "$own" "$(tab "$cron" -l | grep -v session-warden)"
  is 1 "$(tab "$cron" -l | grep -c session-warden)"
  warden "$cron" schedule uninstall --method cron
  is "$own" "$(tab "$cron" -l)"
  tab "$cron" -r
}

for cron in vixie busybox systemd-cron cronie; do
  check "$cron: a line comes and goes where there is no crontab" comes_and_goes "$cron"
  check "$cron: SHELL, MAILTO, PATH and other lines are unchanged" leaves_the_rest "$cron"
done

# The command of the line, as crons give it to a shell: with the backslash before a percent sign, and without.
runs_in() {
  local line command
  line=$(warden vixie schedule print --method cron --log "$log")
  command=$(cut -d' ' -f6- <<<"$line")
  for command in "$command" "${command//\\%/%}"; do
    rm -f -- "$log"
    env -i PATH=/nowhere "$@" -c "$command"
    [ -s "$log" ] || { echo "it has not run: $command"; return 1; }
  done
}
for shell in /bin/sh /bin/bash /bin/dash "$(command -v zsh)" "$(command -v fish)" "$tcsh" "$folder/twelve/bin/busybox sh"; do
  # shellcheck disable=SC2086
  check "the line runs in ${shell##*/}" runs_in $shell
done

# busybox's daemon, which takes a number sign for the start of a comment, and the user's shell.
busybox_runs_it() {
  rm -f -- "$log"
  printf 'SHELL=%s\n' "$tcsh" | tab busybox -
  warden busybox schedule install --method cron --every 1m --log "$log"
  "$folder/twelve/bin/busybox" crond -f -l 0 -L "$folder/crond.log" &
  eventually 90 test -s "$log" || { kill %1; cat "$folder/crond.log"; return 1; }
  kill %1
  tab busybox -r
}
check 'busybox: its daemon runs the line in tcsh' busybox_runs_it

# systemd-cron makes a script of each line.
systemd_cron_runs_it() {
  local units=$folder/units script
  rm -f -- "$log"
  mkdir -p "$units"
  warden systemd-cron schedule install --method cron --log "$log"
  "$generator/systemd-crontab-generator" "$units" "$units" "$units"
  script=$(grep -l session-warden "$units"/*.sh)
  env -i PATH=/usr/bin:/bin /bin/sh "$script"
  test -s "$log"
  tab systemd-cron -r
}
check 'systemd-cron: the script of the line runs it' systemd_cron_runs_it

[ "$failures" -eq 0 ]
