//! Finds the user's own text in a message, to which an IDE, a hook or the CLI itself may have added some.
//!
//! Added text is marked: by an element at the start (`<system-reminder>…`), by a heading, or by a sentence
//! that is always the same. Of elements, names of many CLIs and versions are
//! known by how they are made up. Another element that looks like one that a program added may still be
//! the user's own, so it is used where nothing better follows.

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin<'t> {
    /// The user wrote this part of it.
    User(&'t str),
    /// The user may have written it.
    Doubtful(&'t str),
    /// Nothing in it is the user's.
    Program,
}

/// How texts begin that a CLI writes in the user's name, from their start to their end.
const SENTENCES: [&str; 6] = [
    "Caveat: The messages below",
    "[Request interrupted by user",
    "This session is being continued from a previous conversation",
    "Stop hook feedback:",
    "This is the Gemini CLI. We are setting up the context",
    "Base directory for this skill:",
];

/// The heading of Codex's instructions, which an element follows.
const INSTRUCTIONS: &str = "# AGENTS.md instructions";

/// The heading before the user's text in a message of an IDE.
const REQUEST: &str = "## My request for ";

/// How the names of elements begin that programs add, with `-` for `_`.
const BEGINNINGS: [&str; 12] = [
    "agents-",
    "bash-",
    "command-",
    "environment-",
    "hook-",
    "ide-",
    "local-command",
    "session-",
    "subagent-",
    "system-",
    "task-",
    "user-shell-command",
];

/// How the names of elements end that programs add.
const ENDS: [&str; 9] = [
    "-context",
    "-diagnostics",
    "-hook",
    "-instructions",
    "-memory-input",
    "-mode",
    "-note",
    "-notification",
    "-reminder",
];

const NAMES: [&str; 8] = [
    "fork-boilerplate",
    "hook-prompt",
    "instructions",
    "permissions",
    "persisted-output",
    "skill",
    "teammate-message",
    "turn-aborted",
];

/// The names of elements around the user's text.
const OF_USER: [&str; 6] =
    ["channel", "user-input", "user-message", "user-prompt", "user-query", "user-request"];

/// Returns the user's part of `text`.
pub(super) fn origin(text: &str) -> Origin<'_> {
    let mut rest = text.trim();
    let mut doubtful = None;

    loop {
        if SENTENCES.iter().any(|sentence| rest.starts_with(sentence)) {
            return Origin::Program;
        }
        if let Some(after) = rest.strip_prefix(INSTRUCTIONS) {
            let (_, instructions) = after.split_once('\n').unwrap_or_default();
            let instructions = instructions.trim_start();
            match Element::at_start(instructions).and_then(|element| element.after()) {
                Some(after) => rest = after,
                None => return Origin::Program,
            }
        } else if let Some(request) = request(rest) {
            rest = request;
        } else if let Some(element) = Element::at_start(rest) {
            match element.kind() {
                Kind::OfUser => {
                    let Some(content) = element.content() else { break };
                    rest = content;
                }
                Kind::Added => match element.after() {
                    Some(after) => rest = after,
                    // The user's own sentence about such an element does not end it.
                    None if element.begins_a_sentence() => break,
                    None => return Origin::Program,
                },
                Kind::Unknown => match element.after() {
                    Some(after) if element.ends_its_line() => {
                        doubtful = doubtful.or(Some(rest));
                        rest = after;
                    }
                    _ => break,
                },
                Kind::Markup => break,
            }
        } else {
            break;
        }
        rest = rest.trim();
    }

    match doubtful {
        _ if !rest.is_empty() => Origin::User(rest),
        Some(text) => Origin::Doubtful(text),
        None => Origin::Program,
    }
}

/// Returns the text after the heading of the user's request, if the text begins with another heading.
fn request(text: &str) -> Option<&str> {
    let starts_with_heading = text.starts_with("# ");
    let mut lines = text.split_inclusive('\n');
    let mut length = 0;
    let heading = lines.find(|line| {
        length += line.len();
        line.starts_with(REQUEST) && line.trim_end().ends_with(':')
    });
    heading.filter(|_| starts_with_heading).and_then(|_| text.get(length..))
}

enum Kind {
    Added,
    OfUser,
    /// Its name is made up as programs do it.
    Unknown,
    /// Anything else in angle brackets, such as HTML.
    Markup,
}

/// An element at the start of a text.
struct Element<'t> {
    name: &'t str,
    /// The text after its first tag.
    inside: &'t str,
    is_empty: bool,
}

impl<'t> Element<'t> {
    fn at_start(text: &'t str) -> Option<Self> {
        let tag = text.strip_prefix('<')?;
        let length = tag.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:.".contains(c))?;
        let (name, more) = tag.split_at(length);
        let (attributes, inside) = more.split_once('>')?;
        let is_tag = attributes.is_empty() || attributes.starts_with([' ', '\n', '\t', '/']);
        let is_named = name.starts_with(|c: char| c.is_ascii_alphabetic());
        (is_tag && is_named && !attributes.contains('<')).then(|| Self {
            name,
            inside,
            is_empty: attributes.ends_with('/'),
        })
    }

    fn kind(&self) -> Kind {
        let name = self.name.to_ascii_lowercase().replace('_', "-");
        if OF_USER.contains(&name.as_str()) {
            Kind::OfUser
        } else if NAMES.contains(&name.as_str())
            || BEGINNINGS.iter().any(|start| name.starts_with(start))
            || ENDS.iter().any(|end| name.ends_with(end))
        {
            Kind::Added
        } else if name.contains('-') {
            Kind::Unknown
        } else {
            Kind::Markup
        }
    }

    /// Returns the text between its tags, and the text after it.
    fn parts(&self) -> Option<(&'t str, &'t str)> {
        if self.is_empty {
            return Some(("", self.inside));
        }
        self.inside.split_once(&format!("</{}>", self.name))
    }

    fn content(&self) -> Option<&'t str> {
        self.parts().map(|(content, _)| content)
    }

    fn after(&self) -> Option<&'t str> {
        self.parts().map(|(_, after)| after)
    }

    /// Returns true if nothing follows it on its last line.
    fn ends_its_line(&self) -> bool {
        let after = self.after().unwrap_or_default();
        after.lines().next().unwrap_or_default().trim().is_empty()
    }

    /// Returns true if its first tag is followed by a space and more on the same line.
    fn begins_a_sentence(&self) -> bool {
        let line = self.inside.lines().next().unwrap_or_default();
        line.starts_with(' ') && !line.trim().is_empty()
    }
}

#[cfg(test)]
mod tests;
