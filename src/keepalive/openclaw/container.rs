//! Whether OpenClaw may run in another container than we do.
//!
//! Its locks name processes, and a process of another container is either not there or is another one: each
//! would take the other's lock for that of a dead process, and remove it. So there nothing is touched.

use std::fs;

use crate::process;

/// The name space that a Linux machine begins with; its number is part of the kernel's interface
/// (`PROC_PID_INIT_INO`).
const FIRST: &str = "pid:[4026531836]";

/// Why nothing may be touched from here, as far as that can be told. `sees_gateway` is whether a gateway was
/// seen to run, which is only possible in the same container.
pub(super) fn why_not(sees_gateway: bool) -> Option<String> {
    judge(process::namespace(), sees_gateway, deeper)
}

fn judge(
    ours: Option<&str>,
    sees_gateway: bool,
    deeper: impl Fn() -> Option<u32>,
) -> Option<String> {
    const RIGHT: &str = "run session-warden in the same container, or set same_container = true";
    if sees_gateway {
        return None;
    }
    // Behind the name space stands the machine's boot.
    if ours.is_some_and(|ours| ours.split(' ').next() != Some(FIRST)) {
        return Some(format!("this is a container, and OpenClaw may run in another one: {RIGHT}"));
    }
    deeper().map(|id| format!("OpenClaw runs in a container, as process {id}: {RIGHT}"))
}

/// A process of a container below this one, or of one on this machine, that is OpenClaw's by its arguments.
fn deeper() -> Option<u32> {
    let listed = fs::read_dir("/proc").ok()?;
    let ids = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    ids.into_iter().find(|id| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        // One id for each name space that it is in, from ours on.
        let within = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        within.is_some_and(|within| within.split_whitespace().count() > 1) && {
            let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            memchr::memmem::find(&arguments, b"openclaw").is_some()
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
