//! The fields of `/proc/<pid>/status`.

/// The way in which a process takes a SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigTerm {
    /// A handler runs: the process ends in its own way.
    Caught,
    /// The process would be ended by the kernel, which loses unwritten data.
    Default,
    /// Nothing happens.
    Ignored,
    /// It waits, for as long as the process wants.
    Blocked,
}

/// The fields that matter here; nothing for one that is absent or has another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The real, effective, saved and file system user.
    pub users: Option<[u32; 4]>,
    /// The process that traces it; 0 if none does.
    pub tracer: Option<u32>,
    /// The way in which it takes a SIGTERM.
    pub sigterm: Option<SigTerm>,
    /// How many PID namespaces give it a number, counted from that of `/proc` inwards: 1 if it is in that one.
    pub namespaces: Option<usize>,
}

impl Status {
    pub(super) fn parse(status: &[u8]) -> Self {
        Self {
            users: users(status),
            tracer: field(status, b"TracerPid:").and_then(|tracer| tracer.parse().ok()),
            sigterm: sigterm(status),
            namespaces: field(status, b"NSpid:").map(|ids| ids.split_ascii_whitespace().count()),
        }
    }

    /// Returns true if the process acts as that user in every way.
    pub fn is_of_user(&self, user: u32) -> bool {
        self.users.is_some_and(|users| users.iter().all(|one| *one == user))
    }
}

fn users(status: &[u8]) -> Option<[u32; 4]> {
    let mut numbers = field(status, b"Uid:")?.split_ascii_whitespace().map(str::parse);

    let mut users = [0; 4];
    for user in &mut users {
        *user = numbers.next()?.ok()?;
    }
    Some(users)
}

fn sigterm(status: &[u8]) -> Option<SigTerm> {
    let is_blocked = has_sigterm(status, b"SigBlk:")?;
    let is_ignored = has_sigterm(status, b"SigIgn:")?;
    let is_caught = has_sigterm(status, b"SigCgt:")?;

    Some(match () {
        () if is_blocked => SigTerm::Blocked,
        () if is_ignored => SigTerm::Ignored,
        () if is_caught => SigTerm::Caught,
        () => SigTerm::Default,
    })
}

/// Returns true if a mask of signals has SIGTERM, which is number 15.
fn has_sigterm(status: &[u8], mask: &[u8]) -> Option<bool> {
    let mask = u64::from_str_radix(field(status, mask)?, 16).ok()?;
    Some(mask & (1 << 14) != 0)
}

/// The rest of the line that begins with `name`.
fn field<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s str> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    Some(std::str::from_utf8(line).ok()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a resident Claude Code 2.1.332 shows it.
    const STATUS: &str = "Name:\tclaude\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4121\nPid:\t4121\nPPid:\t4000\n\
        TracerPid:\t0\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nNSpid:\t4121\n\
        SigQ:\t0/1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\nSigCgt:\t0000000173806cff\n";

    #[test]
    fn the_fields_of_a_status_are_read() {
        let status = Status::parse(STATUS.as_bytes());
        assert_eq!(status.tracer, Some(0));
        assert_eq!(status.sigterm, Some(SigTerm::Caught));
        assert_eq!(status.namespaces, Some(1));
        assert!(status.is_of_user(1000));
        assert!(!status.is_of_user(0));
    }

    #[test]
    fn a_signal_is_blocked_before_it_is_ignored_or_caught() {
        let check = |from: &str, to: &str, expected| {
            let status = STATUS.replace(from, to);
            assert_eq!(Status::parse(status.as_bytes()).sigterm, expected, "{to}");
        };
        check("SigBlk:\t0000000000000000", "SigBlk:\t0000000000004000", Some(SigTerm::Blocked));
        check("SigIgn:\t0000000000001000", "SigIgn:\t0000000000004000", Some(SigTerm::Ignored));
        check("173806cff", "000000000", Some(SigTerm::Default));
        check("SigBlk:", "Other:", None);
        check("173806cff", "x", None);
    }

    #[test]
    fn one_user_that_differs_is_enough() {
        let status = STATUS.replace("1000\t1000\t1000\t1000\nGid", "1000\t0\t1000\t1000\nGid");
        assert!(!Status::parse(status.as_bytes()).is_of_user(1000));
        let cut = STATUS.replace("Uid:\t1000\t1000\t1000\t1000", "Uid:\t1000\t1000");
        assert_eq!(Status::parse(cut.as_bytes()).users, None);
    }

    #[test]
    fn what_is_missing_is_nothing() {
        let nothing = Status { users: None, tracer: None, sigterm: None, namespaces: None };
        assert_eq!(Status::parse(b""), nothing);
        assert!(!nothing.is_of_user(0));
    }

    #[test]
    fn a_process_of_a_container_has_several_numbers() {
        let status = STATUS.replace("NSpid:\t4121", "NSpid:\t4121\t7");
        assert_eq!(Status::parse(status.as_bytes()).namespaces, Some(2));
    }
}
