//! What a list shows of a session, so that its reader recognises it: the folder it worked in, and what
//! its user wrote first.
//!
//! Both are near the start of a file, and nothing is decided by them, so only so much is read, and what
//! is not found there is left out.

use serde::Deserialize;
use serde_json::value::RawValue;
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

/// How much is read of a file of lines, of a compressed one's text, and of one JSON object.
const OF_LINES: u64 = 1 << 20;
const OF_COMPRESSED: u64 = 4 << 20;
const OF_OBJECT: u64 = 8 << 20;

/// How many characters of a message are kept.
const LONGEST: usize = 1_000;

/// What the start of a session's file shows of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The folder it was started in, if its records name it.
    pub project: Option<String>,
    /// Its user's first message, in one line and cut to 1,000 characters.
    pub message: Option<String>,
}

/// Returns what the start of `file`, which is called `name`, shows of its session.
///
/// # Errors
/// If nothing was found before what could not be read.
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
    let about = found.about();
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
    /// The message if no better one follows: the same as the model got it.
    sent: Option<String>,
    /// The message if there is no other: a program may have written it.
    doubtful: Option<String>,
}

impl Found {
    /// Takes in a line, and breaks off once no other is needed.
    fn line(&mut self, line: &[u8], records: Records) -> ControlFlow<()> {
        if let Some(record) = Part::parse(line) {
            match records {
                Records::Claude => self.claude(&record),
                Records::Codex => self.codex(&record),
                Records::Gemini => self.gemini(&record),
                Records::Untold => {}
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

    fn claude(&mut self, record: &Part<'_>) {
        if self.project.is_none() {
            self.project = record.cwd.and_then(path);
        }

        // Hints that Claude Code adds, prompts of subagents, and summaries of what came before.
        let marks = [record.is_meta, record.is_sidechain, record.is_compact_summary];
        let origin = record.origin.and_then(Part::of).and_then(|origin| origin.kind_of_origin);
        let is_added = marks.into_iter().any(is_true)
            || CLAUDE_ORIGINS.iter().any(|program| is(origin, program));
        if self.message.is_none() && is(record.kind, "user") && !is_added {
            let content = record.message.and_then(Part::of).and_then(|message| message.content);
            self.message = self.written(content, Some("text"));
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
            self.message = self.written(payload.message, None);
        }

        // The same is in what went to the model, among what Codex itself adds.
        if self.sent.is_none()
            && is(record.kind, "response_item")
            && is(payload.kind, "message")
            && is(payload.role, "user")
        {
            self.sent = self.written(payload.content, Some("input_text"));
        }
    }

    fn gemini(&mut self, record: &Part<'_>) {
        if self.message.is_none() && is(record.kind, "user") {
            // What was shown of it is closer to what was typed than what went to the model.
            let shown = self.written(record.display_content, None);
            self.message = shown.or_else(|| self.written(record.content, None));
        }
    }

    /// Returns the first that the user wrote of `content`: a text, or a list of parts of that kind.
    fn written(&mut self, content: Option<&RawValue>, kind: Option<&str>) -> Option<String> {
        let content = content?;
        if let Some(text) = text(content) {
            return self.of_user(&text);
        }

        let parts: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
        parts.into_iter().filter_map(Part::of).find_map(|part| {
            let fits = kind.is_none_or(|kind| is(part.kind, kind));
            let text = part.text.filter(|_| fits).and_then(text)?;
            self.of_user(&text)
        })
    }

    /// Returns what the user wrote of a text, in one line.
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

/// The origins of Claude Code's messages that its user has not written. A user's own have none, or
/// another one.
const CLAUDE_ORIGINS: [&str; 6] = [
    "auto-continuation",
    "coordinator",
    "observer-activity",
    "peer",
    "plugin",
    "task-notification",
];

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
    is_compact_summary: Option<&'l RawValue>,
    #[serde(borrow)]
    origin: Option<&'l RawValue>,
    #[serde(borrow, rename = "kind")]
    kind_of_origin: Option<&'l RawValue>,
    #[serde(borrow)]
    message: Option<&'l RawValue>,
    #[serde(borrow)]
    payload: Option<&'l RawValue>,
    #[serde(borrow)]
    role: Option<&'l RawValue>,
    #[serde(borrow)]
    content: Option<&'l RawValue>,
    #[serde(borrow)]
    display_content: Option<&'l RawValue>,
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
