#!/usr/bin/env bash
# A box: a real systemd as the first process of namespaces of its own, to run units and timers for real.
# Sourced by drills, not run.
#
#   box_can                 says what is missing, and fails, where there can be no box
#   box_build ROOT          a Debian 12 root file system in the folder ROOT, unless it is there already
#   box_up ROOT FOLDER      boots it; what it needs goes into FOLDER, which is the caller's to remove
#   box_run COMMAND...      runs that inside, as root
#   box_as USER COMMAND...  runs that inside, as that user, with the user's home and runtime folder
#   box_put FILE PATH MODE  copies a file into it
#   box_down                ends all that runs in it
#
# The box has its own processes, mounts, network (loopback alone), host name, IPC and cgroup. ROOT is only
# read: what the box writes is in memory, and goes with it. No file of the host is visible in it.

# What a drill needs inside. systemd 252 is what Debian 12 has.
box_packages=systemd,systemd-sysv,dbus,libpam-systemd,dbus-user-session,cron,iproute2,python3
box_pid='' box_outer='' box_folder='' box_cgroup=''

box_can() {
  local tool
  [ "$(id -u)" -eq 0 ] || { echo 'a box needs root' >&2; return 1; }
  for tool in debootstrap unshare nsenter setsid pivot_root pgrep flock; do
    command -v "$tool" >/dev/null || { echo "a box needs $tool, which is not installed" >&2; return 1; }
  done
  unshare --net --pid --mount --uts --ipc --cgroup --fork --propagation private bash -c '
    set -e
    mount -t tmpfs box-test /mnt
    mkdir /mnt/lower /mnt/upper /mnt/work /mnt/cgroup
    mount -t overlay box-test /mnt/lower -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work
    mount -t cgroup2 box-test /mnt/cgroup
  ' || { echo 'a box needs namespaces, overlay mounts and cgroup2, and may not have them here' >&2; return 1; }
}

box_build() {
  local root=$1
  mkdir -p "$(dirname "$root")"
  # Two that share a cache do not both build; what is there is whole, since it is moved there when done.
  (
    flock 9
    [ ! -d "$root" ] || exit 0
    rm -rf --one-file-system -- "$root.part"
    if ! debootstrap --variant=minbase --include="$box_packages" bookworm "$root.part" >"$root.log" 2>&1; then
      echo "debootstrap failed; the end of what it says:" >&2
      tail -n 5 "$root.log" >&2
      rm -rf --one-file-system -- "$root.part"
      exit 1
    fi
    mv -- "$root.part" "$root"
    rm -f -- "$root.log"
  ) 9>"$root.lock"
}

# box_cgroups COMMAND: runs a shell command with the host's cgroup2 tree at /mnt, which nobody else sees.
box_cgroups() {
  unshare --mount --propagation private bash -c "set -e; mount -t cgroup2 box /mnt; $1" box "$box_cgroup"
}

box_up() {
  local root=$1 state=''
  box_folder=$2 box_cgroup=session-warden-box-$$
  mkdir -p "$box_folder/mount"
  # The outer shell enters a cgroup of its own before it becomes the root of the cgroup namespace, so that
  # the box can be ended as a whole. pivot_root hides the host's files from what runs inside.
  # shellcheck disable=SC2016
  setsid unshare --mount --propagation private bash -c '
    set -e
    mount -t cgroup2 box /mnt
    mkdir "/mnt/$3"
    echo $$ >"/mnt/$3/cgroup.procs"
    umount /mnt
    exec unshare --net --pid --uts --ipc --mount --cgroup --fork --kill-child bash -c '\''
      set -e
      mount -t tmpfs box "$2" -o mode=755
      cd "$2"
      mkdir upper work root
      mount -t overlay box root -o "lowerdir=$1,upperdir=upper,workdir=work"
      cd root
      mkdir -p .old
      mount -t proc proc proc
      mount --bind proc/sys proc/sys
      mount -o remount,ro,bind proc/sys
      mount -t sysfs sysfs sys -o ro
      mount -t tmpfs tmpfs run -o mode=755
      mount -t tmpfs tmpfs tmp -o mode=1777
      mount -t tmpfs tmpfs dev -o mode=755
      mkdir dev/pts dev/shm
      chmod 1777 dev/shm
      for device in null zero full random urandom tty; do
        touch "dev/$device"
        mount --bind "/dev/$device" "dev/$device"
      done
      mount -t devpts devpts dev/pts -o newinstance,ptmxmode=666,mode=620
      ln -s pts/ptmx dev/ptmx
      mount -t cgroup2 cgroup2 sys/fs/cgroup
      echo box >etc/hostname
      pivot_root . .old
      umount -l /.old
      exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
        --log-target=console --log-level=warning systemd.unified_cgroup_hierarchy=1
    '\'' "$0" "$1" "$2"
  ' bash "$root" "$box_folder/mount" "$box_cgroup" >"$box_folder/boot.log" 2>&1 </dev/null &
  box_outer=$!
  for _ in $(seq 120); do
    kill -0 "$box_outer" 2>/dev/null || break
    box_pid=$(pgrep -P "$box_outer" | head -n 1) || true
    if [ -n "$box_pid" ] && [ "$(cat "/proc/$box_pid/comm" 2>/dev/null)" = systemd ]; then
      state=$(box_run systemctl is-system-running 2>/dev/null) || true
      case $state in running | degraded) return 0 ;; esac
    fi
    sleep 0.5
  done
  echo "the box did not come up (${state:-nothing}): $(tail -n 3 "$box_folder/boot.log")" >&2
  return 1
}

box_run() {
  nsenter --target "$box_pid" --mount --pid --uts --ipc --cgroup --net \
    env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 "$@"
}

box_as() {
  local user=$1
  shift
  # shellcheck disable=SC2016
  box_run sh -c 'user=$1; shift; cd "/home/$user"
    exec runuser -u "$user" -- env HOME="/home/$user" XDG_RUNTIME_DIR="/run/user/$(id -u "$user")" "$@"' \
    box "$user" "$@"
}

box_put() {
  # shellcheck disable=SC2016
  box_run sh -c 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"' box "$2" "$3" <"$1"
}

box_down() {
  [ -n "$box_outer" ] || return 0
  # The first process takes all others in its namespace with it, and its parent, which waits for it, ends
  # then. Where there is no first process yet, its parent's end is its own.
  kill -9 "${box_pid:-"$box_outer"}" 2>/dev/null || true
  wait "$box_outer" 2>/dev/null || true
  # Not one may be left in the cgroup, which then goes as well.
  # shellcheck disable=SC2016
  for _ in $(seq 50); do
    box_cgroups '[ ! -d "/mnt/$1" ] || find "/mnt/$1" -depth -type d -exec rmdir {} +' 2>/dev/null && break
    sleep 0.1
  done
  box_outer='' box_pid=''
}
