//! The JSON that the hooks of the CLIs get on standard input.
//!
//! As documented for Claude Code (`PreToolUse`, `PostToolUse`, `PostToolUseFailure`, `SessionStart`,
//! `SessionEnd`), Codex (the same but for the failure) and Gemini CLI (`BeforeTool`, `AfterTool`,
//! `SessionStart`, `SessionEnd`): an object with `session_id` and `hook_event_name`; around a tool
//! also `tool_name`, `tool_input` and, but for Gemini CLI, `tool_use_id`.

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};

use crate::model::{Advice, Failure};

/// The most that is read, in bytes: the answer of a tool is part of it.
const LARGEST: u64 = 256 << 20;

/// The content of a hook's JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hooked {
    pub(super) session: String,
    /// The key of the hold around a tool; nothing if the hook is about the session as a whole.
    pub(super) key: Option<String>,
    /// True if the session is over.
    pub(super) is_over: bool,
}

#[derive(Deserialize)]
struct Fields<'a> {
    session_id: String,
    hook_event_name: Option<String>,
    tool_use_id: Option<String>,
    tool_name: Option<String>,
    /// Only compared: whatever is in it, the tool must be held.
    #[serde(borrow)]
    tool_input: Option<&'a RawValue>,
}

/// Reads the JSON of a hook from standard input.
pub(super) fn read() -> anyhow::Result<Hooked> {
    let mut input = Vec::new();
    let read = io::stdin().lock().take(LARGEST).read_to_end(&mut input);
    read.context("cannot read standard input")
        .hint("--from-hook needs the JSON that a CLI sends to its hooks")?;
    Ok(hooked(&input)?)
}

/// Parses the JSON of a hook.
fn hooked(input: &[u8]) -> Result<Hooked, Failure> {
    let input: Fields<'_> = serde_json::from_slice(input).map_err(|error| {
        let message = "standard input is not the JSON that a CLI sends to its hooks";
        Failure::usage(format!("{message}: {error}"))
            .hint("--from-hook is for the hooks of Claude Code, Codex and Gemini CLI")
    })?;

    // A model numbers its tools, and may use a number again in another session.
    let mut hash = DefaultHasher::new();
    let is_of_tool = match (input.tool_use_id, input.tool_name) {
        (Some(id), _) => {
            (&input.session_id, id).hash(&mut hash);
            true
        }
        (None, Some(tool)) => {
            // The same before a tool and after it.
            (&input.session_id, tool, input.tool_input.map(RawValue::get)).hash(&mut hash);
            true
        }
        (None, None) => false,
    };
    let key = is_of_tool.then(|| format!("tool-{:016x}", hash.finish()));
    let is_over = input.hook_event_name.as_deref() == Some("SessionEnd");
    Ok(Hooked { session: input.session_id, key, is_over })
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
