//! What the hooks of the CLIs tell on standard input.
//!
//! As documented for Claude Code (`PreToolUse`, `PostToolUse`, `PostToolUseFailure`, `SessionStart`,
//! `SessionEnd`), Codex (the same but for the failure) and Gemini CLI (`BeforeTool`, `AfterTool`,
//! `SessionStart`, `SessionEnd`): an object with `session_id` and `hook_event_name`; around a tool
//! also `tool_name`, `tool_input` and, but for Gemini CLI, `tool_use_id`.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::usage;

/// More than this no hook tells, in bytes: what a tool has answered is part of it.
pub const LARGEST: u64 = 256 << 20;

/// What a hook tells of a hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Hooked {
    /// The session.
    pub session: String,
    /// What tells the hold of a tool from others; nothing where it is about the session as a whole.
    pub key: Option<String>,
    /// Whether the session is over.
    pub is_over: bool,
}

#[derive(Deserialize)]
struct Told<'a> {
    session_id: String,
    hook_event_name: Option<String>,
    tool_use_id: Option<String>,
    tool_name: Option<String>,
    /// Only compared: whatever a tool is told must not keep it from being held.
    #[serde(borrow)]
    tool_input: Option<&'a RawValue>,
}

/// Reads what a hook has told.
///
/// # Errors
/// Where that is nothing that a CLI tells.
pub fn hooked(input: &[u8]) -> anyhow::Result<Hooked> {
    let told: Told<'_> = serde_json::from_slice(input).map_err(|error| {
        usage(&format!("standard input is not the JSON that a CLI sends to its hooks: {error}"))
            .hint("--from-hook is for the hooks of Claude Code, Codex and Gemini CLI")
    })?;
    // Ids of tools are their model's, and may come again in another session.
    let mut hash = DefaultHasher::new();
    let key = match (told.tool_use_id, told.tool_name) {
        (Some(id), _) => {
            (&told.session_id, id).hash(&mut hash);
            Some(format!("tool-{:016x}", hash.finish()))
        }
        (None, Some(tool)) => {
            // The same before a tool and after it.
            let input = told.tool_input.map(RawValue::get);
            (&told.session_id, tool, input).hash(&mut hash);
            Some(format!("tool-{:016x}", hash.finish()))
        }
        (None, None) => None,
    };
    let is_over = told.hook_event_name.as_deref() == Some("SessionEnd");
    Ok(Hooked { session: told.session_id, key, is_over })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(input: &str) -> String {
        hooked(input.as_bytes()).unwrap().key.unwrap()
    }

    #[test]
    fn before_and_after_a_tool_the_key_is_the_same() {
        let claude = |session: &str, event: &str, id: &str| {
            key(&format!(
                r#"{{"session_id":"{session}","hook_event_name":"{event}","tool_name":"Bash",
                "tool_input":{{"command":"x"}},"tool_use_id":"{id}"}}"#
            ))
        };
        let before = claude("s", "PreToolUse", "call_1");
        assert_eq!(before, claude("s", "PostToolUse", "call_1"));
        assert_ne!(before, claude("s", "PreToolUse", "call_2"));
        assert_ne!(before, claude("another", "PreToolUse", "call_1"));
        let gemini = |event: &str, command: &str, more: &str| {
            key(&format!(
                r#"{{"session_id":"s","hook_event_name":"{event}","tool_name":"run_shell_command",
                "tool_input":{{"command":"{command}","dir":"."}}{more}}}"#
            ))
        };
        let before = gemini("BeforeTool", "make", "");
        assert_eq!(before, gemini("AfterTool", "make", r#","tool_response":{"llmContent":"ok"}"#));
        assert_ne!(before, gemini("BeforeTool", "make test", ""));
    }

    #[test]
    fn a_session_as_a_whole_has_no_key_of_a_tool_and_its_end_is_told() {
        let told = hooked(br#"{"session_id":"s-1","hook_event_name":"SessionStart"}"#).unwrap();
        assert_eq!(told, Hooked { session: "s-1".into(), key: None, is_over: false });
        let told = hooked(br#"{"session_id":"s-1","hook_event_name":"SessionEnd"}"#).unwrap();
        assert!(told.is_over);
        assert!(!hooked(br#"{"session_id":"s","hook_event_name":null}"#).unwrap().is_over);
    }

    #[test]
    fn whatever_a_tool_is_told_it_is_held() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        for input in [r#"{"content":"x\ud83d"}"#, "1e999", &deep, "null", r#""\u0000""#] {
            let told = format!(r#"{{"session_id":"s","tool_name":"Write","tool_input":{input}}}"#);
            assert!(hooked(told.as_bytes()).is_ok(), "{input}");
        }
    }

    #[test]
    fn what_no_hook_tells_is_refused() {
        for input in ["", "{}", "[]", r#"{"session_id":7}"#, "hello"] {
            let failure = hooked(input.as_bytes()).unwrap_err();
            assert!(failure.to_string().contains("standard input"), "{input}: {failure}");
        }
    }
}
