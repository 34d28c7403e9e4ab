//! Reads the details in a session's file by which its user recognises it: the working folder and the first
//! message.
//!
//! Both are near the start of a file, and only a list shows them, so the rest of a large file is not
//! read.

use serde_json::value::RawValue;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use super::compressed::Frames;
use super::json_text::text;
use super::lines;
use super::records::Records;
use super::user_text::{Origin, origin};
use crate::os::interrupt::Interrupt;

/// How much is read of a file of lines, of a compressed one's text, and of one JSON object.
const OF_LINES: u64 = 1 << 20;
const OF_COMPRESSED: u64 = 4 << 20;
const OF_OBJECT: u64 = 8 << 20;

const LONGEST: usize = 1_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The folder in which the session was started, if its records have it.
    pub project: Option<String>,
    /// Its user's first message, in one line and cut to 1,000 characters.
    pub message: Option<String>,
}

/// Reads the start of `file`, which is called `name`. An error is returned only if nothing was found before
/// it.
pub fn about(
    file: File,
    name: &OsStr,
    records: Records,
    interrupt: &Interrupt,
) -> io::Result<About> {
    let name = name.as_bytes();
    let mut found = Found::default();
    let read = if records == Records::Unknown {
        Ok(())
    } else if name.ends_with(b".zst") {
        let text = Frames::new(file, interrupt).take(OF_COMPRESSED);
        lines::forward(BufReader::new(text), |line| found.line(line, records))
    } else if name.ends_with(b".json") {
        one_object(file, &mut found)
    } else {
        let text = BufReader::with_capacity(32 << 10, file.take(OF_LINES));
        lines::forward(text, |line| found.line(line, records))
    };

    let about = found.about();
    match read {
        Err(error) if about == About::default() => Err(error),
        _ => Ok(about),
    }
}

fn one_object(file: File, found: &mut Found) -> io::Result<()> {
    let mut text = Vec::new();
    file.take(OF_OBJECT).read_to_end(&mut text)?;
    // If the object ends early, the messages until then are used.
    let _ = lines::messages(&text, |message| found.line(message.get().as_bytes(), Records::Gemini));
    Ok(())
}

#[derive(Debug, Default)]
struct Found {
    project: Option<String>,
    message: Option<String>,
    /// The message for the model, if no better one follows.
    sent: Option<String>,
    /// A message that a program may have written, if there is no other.
    doubtful: Option<String>,
}

impl Found {
    /// Reads a line. Breaks once no other is needed.
    fn line(&mut self, line: &[u8], records: Records) -> ControlFlow<()> {
        if let Some(record) = Object::parse(line) {
            match records {
                Records::Claude => self.claude(&record),
                Records::Codex => self.codex(&record),
                Records::Gemini => self.gemini(&record),
                Records::Unknown => {}
            }
        }

        // Gemini's records do not name the folder.
        let has_project = self.project.is_some() || records == Records::Gemini;
        if has_project && self.message.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn claude(&mut self, record: &Object<'_>) {
        if self.project.is_none() {
            self.project = record.path("cwd");
        }

        // Hints that Claude Code adds, prompts of subagents, and summaries of earlier messages.
        let origin = record.object("origin");
        let is_added = ["isMeta", "isSidechain", "isCompactSummary"]
            .iter()
            .any(|mark| record.is_true(mark))
            || origin.is_some_and(|it| CLAUDE_ORIGINS.iter().any(|origin| it.is("kind", origin)));
        if self.message.is_none() && record.is("type", "user") && !is_added {
            let content = record.object("message").and_then(|message| message.get("content"));
            self.message = self.written(content, Some("text"));
        }
    }

    fn codex(&mut self, record: &Object<'_>) {
        let Some(payload) = record.object("payload") else { return };
        if self.project.is_none() && record.is("type", "session_meta") {
            self.project = payload.path("cwd");
        }

        if self.message.is_none()
            && record.is("type", "event_msg")
            && payload.is("type", "user_message")
        {
            self.message = self.written(payload.get("message"), None);
        }

        // The model gets the same text, among others that Codex itself adds.
        if self.sent.is_none()
            && record.is("type", "response_item")
            && payload.is("type", "message")
            && payload.is("role", "user")
        {
            self.sent = self.written(payload.get("content"), Some("input_text"));
        }
    }

    fn gemini(&mut self, record: &Object<'_>) {
        if self.message.is_none() && record.is("type", "user") {
            // The displayed text is closer to the typed one than the text for the model.
            let shown = self.written(record.get("displayContent"), None);
            self.message = shown.or_else(|| self.written(record.get("content"), None));
        }
    }

    /// Returns the first text of the user in `content`: a text, or a list of parts of that kind.
    fn written(&mut self, content: Option<&RawValue>, kind: Option<&str>) -> Option<String> {
        let content = content?;
        if let Some(text) = text(content) {
            return self.of_user(&text);
        }
        let parts: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
        let parts = parts.into_iter().filter_map(|part| Object::parse(part.get().as_bytes()));
        parts
            .filter(|part| kind.is_none_or(|kind| part.is("type", kind)))
            .find_map(|part| self.of_user(&part.text("text")?))
    }

    /// Returns the user's part of a text, in one line.
    fn of_user(&mut self, text: &str) -> Option<String> {
        match origin(text) {
            Origin::User(text) => one_line(text),
            Origin::Doubtful(text) => {
                self.doubtful = self.doubtful.take().or_else(|| one_line(text));
                None
            }
            Origin::Program => None,
        }
    }

    fn about(self) -> About {
        About { project: self.project, message: self.message.or(self.sent).or(self.doubtful) }
    }
}

/// The origins of Claude Code's messages that its user has not written.
const CLAUDE_ORIGINS: [&str; 6] = [
    "auto-continuation",
    "coordinator",
    "observer-activity",
    "peer",
    "plugin",
    "task-notification",
];

/// The members of an object, unparsed.
struct Object<'l>(HashMap<String, &'l RawValue>);

impl<'l> Object<'l> {
    /// Returns nothing for text that is no whole object: a line may be torn, or cut off by the bound.
    fn parse(text: &'l [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().map(Self)
    }

    fn get(&self, key: &str) -> Option<&'l RawValue> {
        self.0.get(key).copied().filter(|value| value.get() != "null")
    }

    fn object(&self, key: &str) -> Option<Self> {
        Self::parse(self.get(key)?.get().as_bytes())
    }

    fn text(&self, key: &str) -> Option<String> {
        text(self.get(key)?)
    }

    fn is(&self, key: &str, expected: &str) -> bool {
        self.text(key).is_some_and(|text| text == expected)
    }

    fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.get() == "true")
    }

    fn path(&self, key: &str) -> Option<String> {
        self.text(key).filter(|path| !path.is_empty())
    }
}

/// Returns the start of a text, with one space for any white space and control characters; nothing if it
/// has nothing else.
fn one_line(text: &str) -> Option<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let mut line = String::new();
    let mut length = 0;
    for word in words.filter(|word| !word.is_empty()) {
        let space = usize::from(length > 0);
        if length + space >= LONGEST {
            break;
        }
        line.extend(std::iter::repeat_n(' ', space));
        length += space;
        for letter in word.chars().take(LONGEST - length) {
            line.push(letter);
            length += 1;
        }
    }
    (length > 0).then_some(line)
}

#[cfg(test)]
mod tests;
