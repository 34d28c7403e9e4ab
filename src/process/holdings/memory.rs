//! The memory of one process.

use crate::model::Memory;
use crate::process::proc;

/// Reads the memory of process `pid`: its PSS, or its RSS where the system has no PSS or does not show it.
/// Returns nothing if it has ended.
pub(super) fn read(pid: u32) -> Option<Memory> {
    // A file of that name is absent in old kernels as well, so that it is absent does not show an end.
    let rollup = proc::read_live(pid, "smaps_rollup").ok().flatten();
    if let Some(bytes) = rollup.and_then(|rollup| kibibytes(&rollup, b"Pss:")) {
        return Some(Memory { bytes, ..Memory::NONE });
    }

    match proc::read_live(pid, "status") {
        Ok(None) => None,
        Ok(Some(status)) if is_zombie(&status) => None,
        // A thread of the kernel has no memory of its own, and no such line.
        Ok(Some(status)) => {
            let bytes = kibibytes(&status, b"VmRSS:").unwrap_or(0);
            Some(Memory { bytes, is_pss: bytes == 0, is_whole: true })
        }
        Err(_) => Some(Memory { is_whole: false, ..Memory::NONE }),
    }
}

fn is_zombie(status: &[u8]) -> bool {
    value(status, b"State:").is_some_and(|state| matches!(state.first(), Some(b'Z' | b'X')))
}

/// The amount in a line such as `Pss:  1234 kB`, in bytes.
fn kibibytes(file: &[u8], name: &[u8]) -> Option<u64> {
    let amount = value(file, name)?.strip_suffix(b"kB")?;
    let amount: u64 = std::str::from_utf8(amount.trim_ascii()).ok()?.parse().ok()?;
    amount.checked_mul(1024)
}

fn value<'f>(file: &'f [u8], name: &[u8]) -> Option<&'f [u8]> {
    file.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(name))
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_kibibytes() {
        let rollup = b"5581-7ffd ---p 00000000 00:00 0  [rollup]\nRss:  2000 kB\nPss:     1234 kB\nPss_Anon: 9 kB\n";
        assert_eq!(kibibytes(rollup, b"Pss:"), Some(1234 * 1024));
        assert_eq!(kibibytes(rollup, b"Swap:"), None);
        assert_eq!(kibibytes(b"Pss: 1234\n", b"Pss:"), None);
        assert_eq!(kibibytes(b"Pss: 99999999999999999999 kB", b"Pss:"), None);
        assert_eq!(kibibytes(b"Pss: 18446744073709551615 kB", b"Pss:"), None);
    }

    #[test]
    fn a_sum_is_pss_and_whole_only_if_all_of_it_is() {
        let pss = Memory { bytes: 5, ..Memory::NONE };
        let rss = Memory { bytes: 7, is_pss: false, is_whole: true };
        let missing = Memory { is_whole: false, ..Memory::NONE };
        assert_eq!(pss.plus(pss), Memory { bytes: 10, is_pss: true, is_whole: true });
        assert_eq!(pss.plus(rss), Memory { bytes: 12, is_pss: false, is_whole: true });
        assert_eq!(pss.plus(missing), Memory { bytes: 5, is_pss: true, is_whole: false });
    }
}
