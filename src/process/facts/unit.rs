//! Whether a process is the main process of a systemd service: to end it would end, or restart, the service.
//!
//! Only systemd knows for sure, and it answers over D-Bus alone. From outside, `/proc/<pid>/cgroup` shows the
//! service that a process belongs to, in cgroup v1 and v2 alike. Of the processes of a service, these can be
//! the main one:
//!
//! - one that systemd itself started. Its parent is outside the service, and so is the parent of one that it
//!   adopted (`Type=forking`). Since systemd 248 its environment also has `SYSTEMD_EXEC_PID` with its own id;
//! - any that a program of the service named by `MAINPID=`. Such a service has `NOTIFY_SOCKET` in its
//!   environment.
//!
//! So a process is not the main one if it is in no service, or if its parent is in the same one and neither
//! variable is in its environment. Any other process, or one that cannot be read, counts as the main one.
//! This is exact except for orphans: a process whose parent in the service has ended also counts as main.

use std::io;

use super::environment::Environment;
use crate::process::proc;

/// Returns true if process `pid` may be the main process of a service.
pub(super) fn may_be_main(pid: u32, parent: u32, environment: Option<&Environment>) -> bool {
    // The first process of a PID namespace is a service of its own: everything ends with it.
    if pid == 1 {
        return true;
    }

    let Ok(service) = service_of(pid) else { return true };
    let Some(service) = service else { return false };

    let has_parent_in_it = service_of(parent).is_ok_and(|of_parent| of_parent == Some(service));
    let Some(environment) = environment else { return true };
    let is_started_by_systemd =
        environment.get("SYSTEMD_EXEC_PID") == Some(pid.to_string().as_bytes());
    !has_parent_in_it || is_started_by_systemd || environment.get("NOTIFY_SOCKET").is_some()
}

/// The path of the service that a process belongs to; nothing if it is in none.
fn service_of(pid: u32) -> io::Result<Option<String>> {
    let cgroups = proc::read_live(pid, "cgroup")?.ok_or(io::ErrorKind::NotFound)?;
    let cgroups = String::from_utf8(cgroups).map_err(io::Error::other)?;
    // A kernel without cgroups has an empty list, and no systemd.
    Ok(service_in(&cgroups))
}

/// The service in a list such as `1:name=systemd:/system.slice/bridge.service` or
/// `0::/user.slice/user-1000.slice/user@1000.service/app.slice/bridge.service`.
fn service_in(cgroups: &str) -> Option<String> {
    let mut paths = cgroups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        // With v1, the other hierarchies may have groups of their own making.
        fields.next().filter(|_| matches!(controllers, "" | "name=systemd"))
    });
    paths.find_map(service_in_path)
}

/// The path up to the innermost unit, if that is a service. A service may have groups below it; a scope has no
/// main process, as those of logins and containers.
fn service_in_path(path: &str) -> Option<String> {
    let names: Vec<&str> = path.split('/').collect();

    let kinds: Vec<Option<&str>> =
        names.iter().map(|name| name.rsplit_once('.').map(|(_, kind)| kind)).collect();
    let unit = kinds.iter().rposition(|kind| matches!(kind, Some("service" | "scope")))?;
    (kinds[unit] == Some("service")).then(|| names[..=unit].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_counts() {
        let user = "/user.slice/user-1000.slice";
        let manager = format!("{user}/user@1000.service");
        for (path, expected) in [
            ("/", None),
            ("", None),
            ("/system.slice", None),
            ("/system.slice/bridge.service", Some("/system.slice/bridge.service")),
            ("/system.slice/bridge.service/worker", Some("/system.slice/bridge.service")),
            ("/system.slice/docker-0123.scope", None),
            ("/system.slice/podman.service/libpod-0123.scope/container", None),
            (&format!("{user}/session-3.scope"), None),
            (&format!("{manager}/init.scope"), None),
            (
                &format!("{manager}/app.slice/b@1.service"),
                Some(&format!("{manager}/app.slice/b@1.service")),
            ),
            (&format!("{manager}/app.slice/run-1.scope"), None),
        ] {
            assert_eq!(service_in(&format!("0::{path}\n")).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn both_versions_of_cgroups_are_read() {
        let v1 = "12:memory:/system.slice/other.service\n2:cpu,cpuacct:/\n1:name=systemd:/system.slice/b.service\n";
        assert_eq!(service_in(v1).as_deref(), Some("/system.slice/b.service"));
        let both = format!("{v1}0::/\n");
        assert_eq!(service_in(&both).as_deref(), Some("/system.slice/b.service"));
        assert_eq!(
            service_in("0::/system.slice/a:b.service\n").as_deref(),
            Some("/system.slice/a:b.service")
        );
        assert_eq!(service_in("9:memory:/system.slice/x.service\n"), None);
        assert_eq!(service_in(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_cannot_be_read_may_be_the_main_one() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(may_be_main(child.id(), std::process::id(), None));
        assert!(may_be_main(1, 0, None));
    }
}
