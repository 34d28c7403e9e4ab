//! This process itself: its ancestors, its name space, and the signals that it ignores.

use std::fs;
use std::sync::OnceLock;

use super::running::{OURS, field};

/// Whether this program has started this process.
pub(super) fn is_parent_one_of_ours() -> bool {
    let comm = format!("/proc/{}/comm", std::os::unix::process::parent_id());
    fs::read(comm).is_ok_and(|name| name.trim_ascii_end() == OURS)
}

/// The name space of processes that this one is in, and the boot of the machine that numbers it:
/// elsewhere the same id is another process's. Each machine numbers its name spaces alike, so the
/// number alone would take another machine's for ours. Nothing where the system has none, or does
/// not tell.
pub fn namespace() -> Option<&'static str> {
    static OURS: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let space = fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(format!("{space} {}", boot.trim()).trim_end().to_owned())
    };
    OURS.get_or_init(read).as_deref()
}

/// The machine and the PID namespace that this process is in, as Claude Code notes them in its process
/// records: `linux:<machine id>:pid:[<number>]`. Returns nothing if the system has none.
pub fn pid_domain() -> Option<&'static str> {
    static OURS: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let space = fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()?;
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        Some(format!("linux:{}:{space}", machine.trim()))
    };
    OURS.get_or_init(read).as_deref()
}

/// The signals that this process was started to ignore, as under `nohup`; none where the system does
/// not tell.
pub(super) fn ignored_signals() -> Vec<i32> {
    let status = fs::read("/proc/self/status").unwrap_or_default();
    let mask = field(&status, b"SigIgn:").and_then(|mask| std::str::from_utf8(mask).ok());
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| mask & 1 << (signal - 1) != 0).collect()
}

/// This process and those that it descends from, the nearest first.
pub(super) fn ancestors() -> Vec<u32> {
    let mut all = Vec::new();
    let mut next = Some(std::process::id());
    while let Some(id) = next.filter(|id| *id != 0 && !all.contains(id)) {
        all.push(id);
        let status = fs::read(format!("/proc/{id}/status")).unwrap_or_default();
        next = field(&status, b"PPid:")
            .and_then(|parent| std::str::from_utf8(parent).ok()?.parse().ok());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first name space of every machine has the same number.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_space_is_that_of_one_boot_of_one_machine() {
        let (number, boot) = namespace().unwrap().split_once(' ').unwrap();
        assert!(number.starts_with("pid:["), "{number}");
        assert_eq!(fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim(), boot);
    }
}
