//! Detects that OpenClaw may run in another container than we do.
//!
//! Its locks name processes. A process of another container does not exist in ours, or is another one:
//! each side would take the other's lock for that of a dead process, and remove it. So nothing is touched.

use std::fs;

use crate::os::folder::Links;
use crate::os::reading;
use crate::process;

/// A process of OpenClaw's has no more arguments.
const LARGEST: u64 = 8 << 20;

/// The name space that a Linux machine begins with; its number is part of the kernel's interface
/// (`PROC_PID_INIT_INO`).
const FIRST: &str = "pid:[4026531836]";

/// Returns why nothing may be touched from here, if that can be detected. A gateway can only be seen to
/// run from the same container.
pub(super) fn why_not(sees_gateway: bool) -> Option<String> {
    judge(process::namespace(), sees_gateway, inner_process)
}

fn judge(
    ours: Option<&str>,
    sees_gateway: bool,
    inner_process: impl Fn() -> Option<u32>,
) -> Option<String> {
    const FIX: &str = "run session-warden in the same container, or set same_container = true";
    if sees_gateway {
        return None;
    }
    // After the name space comes the machine's boot.
    if ours.is_some_and(|ours| ours.split(' ').next() != Some(FIRST)) {
        return Some(format!("this is a container, and OpenClaw may run in another one: {FIX}"));
    }

    inner_process().map(|id| format!("OpenClaw runs in a container, as process {id}: {FIX}"))
}

/// Returns a process in a container on this machine that is OpenClaw's by its arguments.
fn inner_process() -> Option<u32> {
    let listed = fs::read_dir("/proc").ok()?;
    let ids = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    ids.into_iter().find(|id| {
        let read = |name: &str| {
            let path = format!("/proc/{id}/{name}");
            reading::whole(path.as_ref(), Links::Refuse, LARGEST).unwrap_or_default()
        };
        let status = read("status");
        let status = String::from_utf8_lossy(&status);
        // One id for each name space that it is in, from ours on.
        let within = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        within.is_some_and(|within| within.split_whitespace().count() > 1) && {
            memchr::memmem::find(&read("cmdline"), b"openclaw").is_some()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_in_another_container_is_not_touched() {
        let nobody = || None;
        assert_eq!(judge(Some(FIRST), false, nobody), None);
        assert_eq!(judge(Some(&format!("{FIRST} of a boot")), false, nobody), None);
        assert_eq!(judge(None, false, nobody), None, "systems without such name spaces");
        assert!(judge(Some("pid:[4026532000]"), false, nobody).unwrap().contains("in another"));
        assert_eq!(judge(Some("pid:[4026532000]"), true, nobody), None);
        let told = judge(Some(FIRST), false, || Some(77)).unwrap();
        assert!(told.contains("as process 77") && told.contains("same_container"), "{told}");
        assert_eq!(judge(Some(FIRST), true, || Some(77)), None);
    }
}
