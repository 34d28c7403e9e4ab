//! The JSON that the hooks of the CLIs get on standard input.
//!
//! As documented for Claude Code (`UserPromptSubmit`, `PreToolUse`, `PostToolUse`,
//! `PostToolUseFailure`, `Stop`, `StopFailure`, `SessionEnd`), Codex (the same but for the failures and
//! the end of a session) and Gemini CLI (`BeforeAgent`, `BeforeTool`, `AfterTool`, `AfterAgent`,
//! `SessionEnd`): an object with `session_id` and `hook_event_name`; around a tool also `tool_name`,
//! `tool_input` and, but for Gemini CLI, `tool_use_id`. The `Stop` of Claude Code lists
//! `background_tasks` and `session_crons`.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::model::Failure;

/// The most that is read, in bytes: the answer of a tool is part of it. This much takes less time than
/// the CLIs wait for a hook.
const LARGEST: u64 = 64 << 20;

/// How long an input may be silent before its object is complete, and how long its object may take in all. The CLIs
/// wait 10 seconds for a hook.
const SILENCE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(8);

/// The reasons of holds for what a turn leaves in the background.
const TASK: &str = "background_task";
const CRON: &str = "session_cron";

/// The content of a hook's JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hooked {
    pub(super) session: String,
    pub(super) event: Event,
}

/// What a hook reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A tool begins or ends. The key of its hold is the same for both.
    Tool(String),
    SessionStart,
    SessionEnd,
    /// A turn has ended, and nothing goes on in the background.
    Stop,
    /// A turn has ended, and work goes on in the background. With the reason of its hold.
    Background(&'static str),
    /// A turn has ended by an error. It is not known whether work goes on in the background.
    StopFailure,
    /// Anything else, such as a prompt or the end of a subagent.
    Other,
}

#[derive(Deserialize)]
struct Fields {
    session_id: String,
    hook_event_name: Option<String>,
    tool_use_id: Option<String>,
    tool_name: Option<String>,
    /// Only compared: whatever is in it, the tool must be held.
    tool_input: Option<Box<RawValue>>,
    background_tasks: Option<Box<RawValue>>,
    session_crons: Option<Box<RawValue>>,
}

/// Reads the JSON of a hook from standard input, which may stay open after it.
pub(super) fn read() -> Result<Hooked, Failure> {
    hooked(BufReader::new(Input { began: Instant::now() }.take(LARGEST)))
}

/// Standard input. A read fails after a long silence, or a long time in all.
struct Input {
    began: Instant,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        let left = SILENCE.min(LONGEST.saturating_sub(self.began.elapsed()));
        let time = Timespec::try_from(left).map_err(io::Error::other)?;
        if left.is_zero() || poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&time))? == 0 {
            return Err(io::Error::new(ErrorKind::TimedOut, "no complete JSON object came"));
        }
        Ok(rustix::io::read(&stdin, buffer)?)
    }
}

/// Parses the JSON of a hook. What follows the object is not read.
fn hooked(input: impl Read) -> Result<Hooked, Failure> {
    let mut input = serde_json::Deserializer::from_reader(input);
    let fields = Fields::deserialize(&mut input).map_err(|error| {
        let message = if error.is_io() {
            "cannot read standard input"
        } else {
            "standard input is not the JSON that a CLI sends to its hooks"
        };
        Failure::usage(format!("{message}: {error}"))
            .hint("--from-hook is for the hooks of Claude Code, Codex and Gemini CLI")
    })?;

    let event = match fields.hook_event_name.as_deref() {
        Some("SessionStart") => Event::SessionStart,
        Some("SessionEnd") => Event::SessionEnd,
        Some(name @ ("Stop" | "StopFailure" | "AfterAgent")) => fields.end_of_turn(name),
        _ => fields.key_of_tool().map_or(Event::Other, Event::Tool),
    };
    Ok(Hooked { session: fields.session_id, event })
}

impl Fields {
    fn end_of_turn(&self, name: &str) -> Event {
        let lists = [(&self.background_tasks, TASK), (&self.session_crons, CRON)];
        let mut listed =
            lists.into_iter().filter_map(|(list, reason)| Some((list.as_ref()?, reason)));
        if let Some((_, reason)) = listed.clone().find(|(list, _)| is_work(list)) {
            return Event::Background(reason);
        }

        if name == "StopFailure" && listed.next().is_none() {
            return Event::StopFailure;
        }
        Event::Stop
    }

    /// Returns the key of the hold around a tool; nothing if the hook is about no tool.
    fn key_of_tool(&self) -> Option<String> {
        // A model numbers its tools, and may use a number again in another session.
        let mut hash = DefaultHasher::new();
        self.session_id.hash(&mut hash);
        match (&self.tool_use_id, &self.tool_name) {
            (Some(id), _) => id.hash(&mut hash),
            // The same before a tool and after it.
            (None, Some(tool)) => {
                (tool, self.tool_input.as_deref().map(RawValue::get)).hash(&mut hash);
            }
            (None, None) => return None,
        }
        Some(format!("tool-{:016x}", hash.finish()))
    }
}

/// Returns true unless the value is empty: a list of an unknown shape may list work.
fn is_work(list: &RawValue) -> bool {
    let text: String = list.get().split_ascii_whitespace().collect();
    !matches!(&*text, "null" | "false" | "[]" | "{}" | "\"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(input: &str) -> Event {
        hooked(input.as_bytes()).unwrap().event
    }

    fn key(input: &str) -> String {
        match event(input) {
            Event::Tool(key) => key,
            other => panic!("{input}: {other:?}"),
        }
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
    fn the_name_of_an_event_shows_what_begins_and_ends() {
        for (name, expected) in [
            (r#""SessionStart""#, Event::SessionStart),
            (r#""SessionEnd""#, Event::SessionEnd),
            (r#""Stop""#, Event::Stop),
            (r#""AfterAgent""#, Event::Stop),
            (r#""StopFailure""#, Event::StopFailure),
            (r#""SubagentStop""#, Event::Other),
            (r#""UserPromptSubmit""#, Event::Other),
            (r#""BeforeAgent""#, Event::Other),
            ("null", Event::Other),
        ] {
            let input = format!(r#"{{"session_id":"s-1","hook_event_name":{name}}}"#);
            let expected = Hooked { session: "s-1".into(), event: expected };
            assert_eq!(hooked(input.as_bytes()).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn a_list_of_an_unknown_shape_counts_as_work_unless_it_is_empty() {
        let end = |name: &str, list: &str, value: &str| {
            event(&format!(r#"{{"session_id":"s","hook_event_name":"{name}","{list}":{value}}}"#))
        };
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        for work in
            [r#"[{"id":"b1"}]"#, "[null]", r#"{"b1":{}}"#, "true", "1", "1e999", r#""b1""#, &deep]
        {
            assert_eq!(end("Stop", "background_tasks", work), Event::Background(TASK), "{work}");
            assert_eq!(end("Stop", "session_crons", work), Event::Background(CRON), "{work}");
            assert_eq!(end("StopFailure", "session_crons", work), Event::Background(CRON));
        }
        for none in ["[]", "[ \n ]", "null", "false", "{}", r#""""#] {
            assert_eq!(end("Stop", "background_tasks", none), Event::Stop, "{none}");
            assert_eq!(end("Stop", "session_crons", none), Event::Stop, "{none}");
        }
        assert_eq!(end("StopFailure", "background_tasks", "[]"), Event::Stop);
    }

    #[test]
    fn whatever_the_input_of_a_tool_is_it_is_held() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        for input in [r#"{"content":"x\ud83d"}"#, "1e999", &deep, "null", r#""\u0000""#] {
            let text = format!(r#"{{"session_id":"s","tool_name":"Write","tool_input":{input}}}"#);
            assert!(hooked(text.as_bytes()).is_ok(), "{input}");
        }
    }

    #[test]
    fn only_the_first_object_is_read() {
        let mut input: &[u8] = br#" {"session_id":"s"} {"session_id":7"#;
        assert_eq!(hooked(&mut input).unwrap().session, "s");
        assert_eq!(input, br#" {"session_id":7"#);
    }

    #[test]
    fn any_other_input_is_refused() {
        for input in ["", "{}", "[]", r#"{"session_id":7}"#, "hello", r#"{"session_id":"s""#] {
            let failure = hooked(input.as_bytes()).unwrap_err();
            assert!(failure.to_string().contains("standard input"), "{input}: {failure}");
        }
    }
}
