//! This process: where its id means something, and which processes it descends from.

use std::fs;
use std::sync::OnceLock;

use super::proc::{read_of, read_text, word};

/// Returns the PID namespace of this process with the boot of its machine: elsewhere the same id is
/// another process. Each machine numbers its namespaces alike, so the number alone is not enough.
/// Returns nothing if the system has none or does not show it.
pub fn namespace() -> Option<&'static str> {
    static OURS: OnceLock<Option<String>> = OnceLock::new();
    OURS.get_or_init(|| {
        let boot = read_text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(format!("{} {}", number_of_namespace()?, boot.trim()).trim_end().to_owned())
    })
    .as_deref()
}

/// The machine and the PID namespace that this process is in, as Claude Code notes them in its process
/// records: `linux:<machine id>:pid:[<number>]`. Returns nothing if the system has none.
pub fn pid_domain() -> Option<&'static str> {
    static OURS: OnceLock<Option<String>> = OnceLock::new();
    OURS.get_or_init(|| {
        let machine = read_text("/etc/machine-id").unwrap_or_default();
        Some(format!("linux:{}:{}", machine.trim(), number_of_namespace()?))
    })
    .as_deref()
}

fn number_of_namespace() -> Option<String> {
    fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()
}

/// Returns this process and those that it descends from, the nearest first.
pub(super) fn ancestors() -> Vec<u32> {
    let mut all = Vec::new();
    let mut next = Some(std::process::id());
    while let Some(id) = next.filter(|id| *id != 0 && !all.contains(id)) {
        all.push(id);
        let status = read_of(id, "status").unwrap_or_default();
        next = word(&status, b"PPid:").and_then(|parent| parent.parse().ok());
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
