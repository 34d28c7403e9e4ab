//! What counts as the last use of a session.

use std::fmt;

/// Which time of a session's files is its last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// When they were last written.
    Mtime,
    /// The newest record in them.
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
