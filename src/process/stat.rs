//! One line of `/proc/<pid>/stat`.

use std::io;

use super::proc;

/// One process, by the numbers of the fields in proc(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Field 3: one letter, such as `R` or `S`.
    pub state: u8,
    /// Field 4.
    pub parent: u32,
    /// Field 5: the process group.
    pub group: u32,
    /// Field 6: the process that leads its session; 0 if that is of another PID namespace.
    pub session: u32,
    /// Field 7: the controlling terminal; 0 if there is none.
    pub terminal: i32,
    /// Field 9: the flags of the kernel.
    pub flags: u32,
    /// Fields 14 and 15: the CPU time of all its threads, in clock ticks. That of its children is not in it.
    pub cpu_ticks: u64,
    /// Field 22: when it started, in clock ticks after the boot.
    pub start: u64,
}

impl Stat {
    /// Reads the line of process `pid`; nothing if the process has ended.
    pub fn read(pid: u32) -> io::Result<Option<Self>> {
        let Some(line) = proc::read_live(pid, "stat")? else { return Ok(None) };
        let stat = Self::parse(&line).ok_or_else(|| io::Error::other("not a line of stat"))?;
        Ok(Some(stat))
    }

    /// Returns true for a process that has ended and was not yet waited for.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        // Field 2, the name, is in parentheses and may hold blanks and parentheses itself.
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(line.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();

        // The first field behind the name is number 3.
        let [state, parent, group, session, terminal, rest @ ..] = &fields[..] else { return None };

        let user_ticks: u64 = rest.get(14 - 8)?.parse().ok()?;
        let system_ticks: u64 = rest.get(15 - 8)?.parse().ok()?;
        Some(Self {
            state: *state.as_bytes().first()?,
            parent: parent.parse().ok()?,
            group: group.parse().ok()?,
            session: session.parse().ok()?,
            terminal: terminal.parse().ok()?,
            flags: rest.get(9 - 8)?.parse().ok()?,
            cpu_ticks: user_ticks.saturating_add(system_ticks),
            start: rest.get(22 - 8)?.parse().ok()?,
        })
    }
}

/// Returns the name of the program that process `pid` runs, at most 15 bytes of it.
pub fn program_name(pid: u32) -> Option<String> {
    let name = proc::read_live(pid, "comm").ok()??;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Vec<u8> {
        format!(
            "4242 ({name}) S 7 4242 4240 34816 -1 4194304 1 2 3 4 150 50 9 9 20 0 12 0 123456 99 1 2\n"
        )
        .into_bytes()
    }

    #[test]
    fn fields_are_counted_behind_the_name() {
        let expected = Stat {
            state: b'S',
            parent: 7,
            group: 4242,
            session: 4240,
            terminal: 34816,
            flags: 4_194_304,
            cpu_ticks: 200,
            start: 123_456,
        };
        for name in ["claude", "a b", ") R 1 1 1 (", "", "x) Z", "\u{e9}"] {
            assert_eq!(Stat::parse(&line(name)), Some(expected), "{name}");
        }
        let mut invalid = line("x");
        invalid[6] = 0xff;
        assert_eq!(Stat::parse(&invalid), Some(expected));
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        let whole = line("claude");
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(b"4242 (claude"), None);
        assert_eq!(Stat::parse(&whole[..40]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_line_names_our_parent() {
        let stat = Stat::read(std::process::id()).unwrap().unwrap();
        assert_eq!(stat.parent, std::os::unix::process::parent_id());
        assert!(!stat.is_zombie());
        assert!(stat.start > 0);
    }
}
