//! What a shell is offered.

use clap::builder::StyledStr;

/// A value that fits.
pub(super) struct Candidate {
    pub(super) value: String,
    /// A description, for shells that show one.
    pub(super) about: String,
}

impl Candidate {
    pub(super) fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), about: about.into() }
    }

    /// Returns a candidate that the first line of a help text describes.
    pub(super) fn with_help(value: impl Into<String>, help: Option<&StyledStr>) -> Self {
        let help = help.map(ToString::to_string).unwrap_or_default();
        Self::new(value, help.lines().next().unwrap_or_default())
    }
}

/// What fits at the cursor; files, folders and programs are found by the shell.
pub(super) enum Answer {
    Values(Vec<Candidate>),
    Files,
    Folders,
    Commands,
}

impl Answer {
    /// Returns the word by which the scripts know this kind of answer.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Values(_) => "values",
            Self::Files => "files",
            Self::Folders => "folders",
            Self::Commands => "commands",
        }
    }
}
