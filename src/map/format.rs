//! The formats of maps, each with what its bridge does when one of its CLIs ends.
//!
//! A release ends CLIs, so that reaction decides whether it is harmless. Each reaction was seen in a test
//! with Claude Code 2.1.332; `source` names the test. A format that was never tried counts as [`BridgeReaction::Breaks`].

use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::fmt;

/// How a bridge reacts to the end of its CLI, from harmless to harmful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BridgeReaction {
    /// It starts the CLI again with the next message.
    Quiet,
    /// It posts an error into the chat, and then starts the CLI again.
    Notice,
    /// The chat stops answering until the bridge is restarted or loads the session again.
    Breaks,
}

impl ValueEnum for BridgeReaction {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Quiet, Self::Notice, Self::Breaks]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl BridgeReaction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Notice => "notice",
            Self::Breaks => "breaks",
        }
    }
}

impl fmt::Display for BridgeReaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A format of maps that a profile can name.
#[derive(Debug, PartialEq, Eq)]
pub struct MapFormat {
    pub name: &'static str,
    pub reaction: BridgeReaction,
    /// The test that showed the reaction.
    pub source: &'static str,
}

/// The formats. All of them have the shape of [`SessionMap`](crate::model::SessionMap).
pub static FORMATS: [MapFormat; 5] = [
    MapFormat {
        name: "claude-remote",
        reaction: BridgeReaction::Quiet,
        source: "it starts a CLI for each request, so no CLI of it waits for a message",
    },
    MapFormat {
        name: "claude-sdk-resume",
        reaction: BridgeReaction::Quiet,
        source: "claude-agent-sdk 0.3.332 for TypeScript and 0.2.189 for Python, in a bridge that starts its CLI \
                 again with `resume`: the next message is answered, in the same session",
    },
    MapFormat {
        name: "claude-sdk-typescript",
        reaction: BridgeReaction::Breaks,
        source: "claude-agent-sdk 0.3.332 for TypeScript, streaming input: the iterator throws at once, and \
                 the next message is lost without an error",
    },
    MapFormat {
        name: "claude-sdk-python",
        reaction: BridgeReaction::Breaks,
        source: "claude-agent-sdk 0.2.189 for Python: each later query raises CLIConnectionError",
    },
    MapFormat {
        name: "claude-agent-acp",
        reaction: BridgeReaction::Breaks,
        source: "claude-agent-acp 0.49.0 and 0.101.0: each later prompt fails until the session is loaded again",
    },
];

impl MapFormat {
    /// The format of a bridge that has answered over its API as `claude-remote` does.
    pub const OF_API: &'static Self = &FORMATS[0];

    /// Returns the format of that name. The error is for the middle of a sentence.
    pub fn named(name: &str) -> Result<&'static Self, String> {
        FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            let names = FORMATS.each_ref().map(|format| format.name);
            format!("{name:?}, but must be one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_own_name_and_a_source() {
        for format in &FORMATS {
            assert_eq!(MapFormat::named(format.name), Ok(format));
            assert!(!format.source.is_empty());
        }
        let why = MapFormat::named("claude_remote").unwrap_err();
        assert!(why.starts_with("\"claude_remote\", but must be one of claude-remote, "), "{why}");
        assert_eq!(MapFormat::OF_API.reaction, BridgeReaction::Quiet);
    }
}
