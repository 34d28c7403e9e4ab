//! The choice of the time that counts as the last use of a session.

use std::fmt;

/// The time of a session's files that is its last use: the last write or the newest record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    Mtime,
    Record,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mtime => "mtime",
            Self::Record => "record",
        })
    }
}
