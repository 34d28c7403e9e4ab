//! A live CLI process, what it holds, and what a release has done about it.

use super::Timestamp;

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub bytes: u64,
    /// True if all of it is PSS, in which a page that several processes share counts in parts. Otherwise some
    /// of it is RSS, in which it counts for each of them.
    pub is_pss: bool,
    /// False if that of some process could not be read, so that there may be more.
    pub is_whole: bool,
}

impl Memory {
    pub const NONE: Self = Self { bytes: 0, is_pss: true, is_whole: true };

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            is_pss: self.is_pss && other.is_pss,
            is_whole: self.is_whole && other.is_whole,
        }
    }
}

/// Established TCP connections. One that several processes share counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub count: usize,
    /// False if those of some process could not be read, so that there may be more.
    pub is_whole: bool,
}

/// The holdings of one process and its descendants, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// How many processes these are.
    pub processes: usize,
    pub memory: Memory,
    pub connections: Connections,
}

/// A live CLI process with a session open, by its own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliProcess {
    pub pid: u32,
    /// `idle`, `busy`, `waiting` or `shell`; nothing if its record has none.
    pub status: Option<String>,
    /// Since when it is idle; nothing if it is not.
    pub idle_since: Option<Timestamp>,
    /// Nothing if it has ended meanwhile.
    pub holdings: Option<Holdings>,
    /// The outcome of its release, if one was asked for.
    pub release: Option<Release>,
    /// The other processes that have the same session open.
    pub others: Vec<Self>,
}

impl CliProcess {
    /// Returns it and the others of its session.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(&self.others)
    }

    /// Returns the process of that id.
    pub fn of_mut(&mut self, pid: u32) -> Option<&mut Self> {
        if self.pid == pid {
            return Some(self);
        }
        self.others.iter_mut().find(|other| other.pid == pid)
    }
}

/// The outcome of a release for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It is kept: the first condition that does not hold.
    Kept(String),
    /// A run that is no dry run would end it.
    WouldRelease,
    /// It has ended.
    Released,
    /// It was asked to end, and still runs. It is not signalled again.
    Ending,
}

/// A CLI process with everything shown in a row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessDetails {
    /// The CLI's short name.
    pub cli: &'static str,
    pub process: CliProcess,
    /// False for a process without a valid record, of which less is known.
    pub has_record: bool,
    /// Its session, by its record.
    pub session: Option<String>,
    /// Its parent and that one's name; 0 if it is not known.
    pub parent: (u32, Option<String>),
    /// True if it is a leftover: its parent is pid 1 or a user's systemd, and its session leader
    /// is gone.
    pub is_leftover: bool,
    pub has_terminal: bool,
}
