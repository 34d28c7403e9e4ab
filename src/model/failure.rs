//! How a run ends: the exit codes, and the one error a run can fail with.

use std::{fmt, io};

/// The exit codes other programs rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, whether or not anything was removed.
    Done,
    /// Failed; the map is unchanged.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Done, but not completely; the warnings name the rest.
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
    /// A run that failed and left the map unchanged.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// Wrong usage or configuration: exit 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message).with(Exit::Usage)
    }

    /// The same failure with another exit code.
    #[must_use]
    pub fn with(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The same failure with advice for the user.
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

/// An error with all its contexts in one line. The exit code and the hint are those of the failure in it.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let causes = error.chain().map(|cause| {
            cause.downcast_ref::<io::Error>().map_or_else(|| cause.to_string(), describe)
        });
        let message = causes.collect::<Vec<_>>().join(": ");
        match error.downcast_ref::<Self>() {
            Some(failure) => Self { message, ..failure.clone() },
            None => Self::new(message),
        }
    }
}

/// Adds what to do about it to an error on its way to the user.
pub trait Advice<T> {
    /// The hint replaces the one that the error may have.
    ///
    /// # Errors
    /// The same error with the hint.
    fn hint(self, text: &str) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advice<T> for Result<T, E> {
    fn hint(self, text: &str) -> anyhow::Result<T> {
        self.map_err(|error| Failure::from(error.into()).hint(text).into())
    }
}

/// Returns the error in a few lower-case words, without its number: `permission denied`.
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
