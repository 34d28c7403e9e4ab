//! How a run ends: the exit codes, and the one error a run can fail with.

use std::fmt;

/// The exit codes other programs rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, whether or not anything was removed.
    Done,
    /// Failed; the map is as it was.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Done, but not wholly; the warnings say what is left.
    Partly,
    /// Another run holds the lock; nothing was done.
    Locked,
    /// As the command ended that was run.
    As(u8),
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partly => 3,
            Self::Locked => 75,
            Self::As(code) => code,
        }
    }
}

/// Why a run could not do its work: one line for the user, perhaps a hint, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    /// Lower case, one line, with the path it is about.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A run that failed and left the map as it was.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// The same failure with a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
