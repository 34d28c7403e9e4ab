//! What a list shows of a session, so that its reader knows which one it is: where it was at work,
//! and what its user said first.
//!
//! Both stand near the start of a file, and neither decides anything, so that only so much is read
//! and what was not found there is left out.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use super::compressed::Frames;
use super::lines;
use super::records::{Records, text};

/// How much is read of a file of lines, of a compressed one's text, and of one JSON object.
const OF_LINES: u64 = 1 << 20;
const OF_COMPRESSED: u64 = 4 << 20;
const OF_OBJECT: u64 = 8 << 20;

/// How many characters of a message are kept.
const LONGEST: usize = 1_000;

/// What is said of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The folder it was begun in, where its records tell.
    pub project: Option<String>,
    /// Its user's first message, in one line and cut to 1,000 characters.
    pub message: Option<String>,
}

/// What the start of `file`, which is called `name`, says of its session. It is an error only where
/// nothing was found before what could not be read.
pub fn about(file: File, name: &OsStr, records: Records) -> io::Result<About> {
    let name = name.as_bytes();
    let mut found = Found::default();
    let read = if records == Records::Untold {
        Ok(())
    } else if name.ends_with(b".zst") {
        let text = Frames::new(file).take(OF_COMPRESSED);
        lines::forward(BufReader::new(text), |line| found.line(line, records))
    } else if name.ends_with(b".json") {
        one_object(file, &mut found)
    } else {
        let text = BufReader::with_capacity(32 << 10, file.take(OF_LINES));
        lines::forward(text, |line| found.line(line, records))
    };
    let about = About { project: found.project, message: found.message.or(found.second_best) };
    match read {
        Err(error) if about == About::default() => Err(error),
        _ => Ok(about),
    }
}

fn one_object(file: File, found: &mut Found) -> io::Result<()> {
    let mut text = Vec::new();
    file.take(OF_OBJECT).read_to_end(&mut text)?;
    // Where the object ends early, what was found before its end is what is known.
    let _ = lines::messages(&text, |message| found.line(message.get().as_bytes(), Records::Gemini));
    Ok(())
}

/// What has been found so far.
#[derive(Debug, Default)]
struct Found {
    project: Option<String>,
    message: Option<String>,
    /// What is the message where nothing better follows.
    second_best: Option<String>,
}

impl Found {
    /// Takes in a line, and breaks off where no other is needed.
    fn line(&mut self, line: &[u8], records: Records) -> ControlFlow<()> {
        if let Some(record) = Part::parse(line) {
            match records {
                Records::Claude => self.claude(&record),
                Records::Codex => self.codex(&record),
                Records::Gemini => self.gemini(&record),
                Records::Untold => {}
            }
        }
        // Gemini's records do not tell the folder.
        let has_project = self.project.is_some() || records == Records::Gemini;
        if has_project && self.message.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn claude(&mut self, record: &Part<'_>) {
        if self.project.is_none() {
            self.project = record.cwd.and_then(path);
        }
        // What is not from the user: hints that Claude Code adds, and what it tells a subagent.
        let is_added = is_true(record.is_meta) || is_true(record.is_sidechain);
        if self.message.is_none() && is(record.kind, "user") && !is_added {
            let content = record.message.and_then(Part::of).and_then(|message| message.content);
            self.message = said(content, Some("text"), &CLAUDE_ADDS);
        }
    }

    fn codex(&mut self, record: &Part<'_>) {
        let Some(payload) = record.payload.and_then(Part::of) else { return };
        if self.project.is_none() && is(record.kind, "session_meta") {
            self.project = payload.cwd.and_then(path);
        }
        if self.message.is_none()
            && is(record.kind, "event_msg")
            && is(payload.kind, "user_message")
        {
            self.message = said(payload.message, None, &[]);
        }
        // The same stands in what went to the model, among what Codex itself tells it.
        if self.second_best.is_none()
            && is(record.kind, "response_item")
            && is(payload.kind, "message")
            && is(payload.role, "user")
        {
            self.second_best = said(payload.content, Some("input_text"), &CODEX_ADDS);
        }
    }

    fn gemini(&mut self, record: &Part<'_>) {
        if self.message.is_none() && is(record.kind, "user") {
            self.message = said(record.content, None, &[]);
        }
    }
}

/// How texts begin that Claude Code writes in the user's name: slash commands and their output.
const CLAUDE_ADDS: [&str; 3] = ["<command-", "<local-command", "Caveat:"];

/// How texts begin that Codex writes in the user's name: the environment, and instructions.
const CODEX_ADDS: [&str; 2] = ["<", "# AGENTS.md"];

/// The parts that are looked at in a record, at every depth. The rest is passed over unparsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'l> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'l RawValue>,
    #[serde(borrow)]
    cwd: Option<&'l RawValue>,
    #[serde(borrow)]
    is_meta: Option<&'l RawValue>,
    #[serde(borrow)]
    is_sidechain: Option<&'l RawValue>,
    #[serde(borrow)]
    message: Option<&'l RawValue>,
    #[serde(borrow)]
    payload: Option<&'l RawValue>,
    #[serde(borrow)]
    role: Option<&'l RawValue>,
    #[serde(borrow)]
    content: Option<&'l RawValue>,
    #[serde(borrow)]
    text: Option<&'l RawValue>,
}

impl<'l> Part<'l> {
    /// Nothing where it is no whole object: a line may be torn, or cut off by the bound.
    fn parse(text: &'l [u8]) -> Option<Self> {
        // serde takes a list for a struct as well, by the order of fields.
        let is_object = text.trim_ascii_start().first() == Some(&b'{');
        is_object.then(|| serde_json::from_slice(text).ok()).flatten()
    }

    fn of(value: &'l RawValue) -> Option<Self> {
        Self::parse(value.get().as_bytes())
    }
}

fn is(value: Option<&RawValue>, expected: &str) -> bool {
    value.and_then(text).is_some_and(|text| text == expected)
}

fn is_true(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get() == "true")
}

fn path(value: &RawValue) -> Option<String> {
    text(value).filter(|path| !path.is_empty())
}

/// The first thing that `content` says: a text, or a list of parts that are of `kind`. What begins
/// like one of `added` was not said by the user.
fn said(content: Option<&RawValue>, kind: Option<&str>, added: &[&str]) -> Option<String> {
    let content = content?;
    let from_user = |text: String| {
        let start = text.trim_start();
        if added.iter().any(|added| start.starts_with(added)) { None } else { one_line(start) }
    };
    if let Some(text) = text(content) {
        return from_user(text);
    }
    let parts: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
    parts.into_iter().filter_map(Part::of).find_map(|part| {
        let fits = kind.is_none_or(|kind| is(part.kind, kind));
        part.text.filter(|_| fits).and_then(text).and_then(from_user)
    })
}

/// The start of a text, in which any white space and control characters are one space. Nothing
/// where there is nothing else.
fn one_line(text: &str) -> Option<String> {
    let is_blank = |letter: char| letter.is_whitespace() || letter.is_control();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(is_blank).filter(|word| !word.is_empty()) {
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
