//! What the hooks of the CLIs tell on standard input.
//!
//! As documented for Claude Code (`PreToolUse`, `PostToolUse`, `PostToolUseFailure`, `SessionStart`,
//! `SessionEnd`), Codex (the same but for the failure) and Gemini CLI (`BeforeTool`, `AfterTool`,
//! `SessionStart`, `SessionEnd`): an object with `session_id` and `hook_event_name`; around a tool
//! also `tool_name`, `tool_input` and, but for Gemini CLI, `tool_use_id`.

use serde::Deserialize;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::usage;
use crate::domain::Failure;
use crate::holds::KEY_LENGTH;

/// More than this no hook tells, in bytes: what a tool has answered is part of it.
pub const LARGEST: u64 = 256 << 20;

/// What a hook tells of a hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Hooked {
    /// The session.
    pub session: String,
    /// What tells this hold from others of that session.
    pub key: String,
    /// Whether the session is over.
    pub is_over: bool,
}

#[derive(Deserialize)]
struct Told {
    session_id: String,
    #[serde(default)]
    hook_event_name: String,
    tool_use_id: Option<String>,
    tool_name: Option<String>,
    #[serde(default)]
    tool_input: Value,
}

/// Reads what a hook has told.
///
/// # Errors
/// Where that is nothing that a CLI tells.
pub fn hooked(input: &[u8]) -> Result<Hooked, Failure> {
    let told: Told = serde_json::from_slice(input).map_err(|error| {
        usage(&format!("standard input is not what the hook of a CLI tells: {error}"))
            .hint("--from-hook is for the hooks of Claude Code, Codex and Gemini CLI")
    })?;
    let key = match (told.tool_use_id, told.tool_name) {
        (Some(id), _) if (1..=KEY_LENGTH).contains(&id.len()) => id,
        (id, Some(tool)) => {
            // The same before a tool and after it.
            let mut hash = DefaultHasher::new();
            (&told.session_id, id, tool, told.tool_input.to_string()).hash(&mut hash);
            format!("tool-{:016x}", hash.finish())
        }
        (_, None) if told.session_id.len() < KEY_LENGTH => told.session_id.clone(),
        (_, None) => {
            let mut hash = DefaultHasher::new();
            told.session_id.hash(&mut hash);
            format!("session-{:016x}", hash.finish())
        }
    };
    let is_over = told.hook_event_name == "SessionEnd";
    Ok(Hooked { session: told.session_id, key, is_over })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(input: &str) -> String {
        hooked(input.as_bytes()).unwrap().key
    }

    #[test]
    fn before_and_after_a_tool_the_key_is_the_same() {
        let claude = key(r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash",
            "tool_input":{"command":"x"},"tool_use_id":"toolu_1"}"#);
        assert_eq!(claude, "toolu_1");
        let gemini = |event: &str, command: &str, more: &str| {
            key(&format!(
                r#"{{"session_id":"s","hook_event_name":"{event}","tool_name":"run_shell_command",
                "tool_input":{{"command":"{command}","dir":"."}}{more}}}"#
            ))
        };
        let before = gemini("BeforeTool", "make", "");
        assert_eq!(before, gemini("AfterTool", "make", r#","tool_response":{"llmContent":"ok"}"#));
        assert_ne!(before, gemini("BeforeTool", "make test", ""));
        assert!(before.len() <= KEY_LENGTH);
        let long = "x".repeat(300);
        let told = |id: &str| {
            key(&format!(r#"{{"session_id":"s","tool_name":"t","tool_use_id":"{id}"}}"#))
        };
        assert_eq!(told(&long), told(&long));
        assert_ne!(told(&long), told(&format!("{long}y")));
        assert!(told(&long).len() <= KEY_LENGTH);
    }

    #[test]
    fn a_session_is_its_own_key_and_its_end_is_told() {
        let told = hooked(br#"{"session_id":"s-1","hook_event_name":"SessionStart"}"#).unwrap();
        let expected = Hooked { session: "s-1".into(), key: "s-1".into(), is_over: false };
        assert_eq!(told, expected);
        let told = hooked(br#"{"session_id":"s-1","hook_event_name":"SessionEnd"}"#).unwrap();
        assert!(told.is_over);
        let long = format!(r#"{{"session_id":"{}"}}"#, "s".repeat(255));
        assert!(key(&long).len() <= KEY_LENGTH);
    }

    #[test]
    fn what_no_hook_tells_is_refused() {
        for input in ["", "{}", "[]", r#"{"session_id":7}"#, "hello"] {
            let failure = hooked(input.as_bytes()).unwrap_err();
            assert!(failure.message.contains("standard input"), "{input}: {failure}");
        }
    }
}
