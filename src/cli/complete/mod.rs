//! Completion: answers what the word at the cursor can be. The scripts that `completions` prints call
//! `session-warden __complete SHELL WORDS…`; the answer is a line that names its kind, then a line for
//! each value. Nothing is changed, no bridge is asked, and no session file is looked for; whatever goes
//! wrong, there is no message, only less to offer.

mod line;
mod typed;
mod values;

use clap::{CommandFactory, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use super::Cli;
use crate::commands::completions::Shell;
use crate::config::Environment;
use crate::model::escape::{escape, is_unsafe};
use crate::ui;
use line::Line;
use typed::{Slot, Typed};

/// The first word of a request. It is not in the grammar, so nothing shows it.
const REQUEST: &str = "__complete";

/// A value that fits.
struct Candidate {
    value: String,
    /// What it is, for shells that show it.
    about: String,
}

/// What fits.
enum Answer {
    /// One of these.
    Values(Vec<Candidate>),
    /// A file.
    Files,
    /// A folder.
    Folders,
    /// A program.
    Commands,
}

impl Answer {
    fn kind(&self) -> &'static str {
        match self {
            Self::Values(_) => "values",
            Self::Files => "files",
            Self::Folders => "folders",
            Self::Commands => "commands",
        }
    }
}

/// A request of a shell.
struct Request {
    shell: Shell,
    /// The words up to the cursor; the first is the program, and the last is at the cursor.
    words: Vec<OsString>,
    /// The line, if the shell is bash.
    line: Line,
}

impl Request {
    fn read(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let shell = Shell::from_str(arguments.next()?.to_str()?, false).ok()?;
        let mut words: Vec<OsString> = arguments.collect();
        let mut line = Line::default();
        match shell {
            Shell::Bash => {
                let [breaks, text] = &words[..] else { return None };
                line = Line::split(text, breaks.as_encoded_bytes());
                words.clone_from(&line.words);
            }
            Shell::Fish => {
                let last = words.last_mut()?;
                *last = line::unquoted(last);
            }
            Shell::PowerShell => {
                let last = words.last_mut()?;
                *last = last.to_str()?.strip_prefix('.')?.into();
            }
            Shell::Elvish | Shell::Zsh => {}
        }
        (words.len() > 1).then_some(Self { shell, words, line })
    }

    /// Returns the line of a candidate, in the form that the script of the shell takes.
    fn shown(&self, candidate: &Candidate) -> Option<String> {
        let Candidate { value, about } = candidate;
        let about = escape(about);
        let about = about.as_str();
        match self.shell {
            Shell::Bash => self.line.insertion(value),
            Shell::Zsh => {
                let value = value.replace('\\', "\\\\").replace(':', "\\:");
                let separator = if about.is_empty() { "" } else { ":" };
                Some(format!("{value}{separator}{}", about.replace('\\', "\\\\")))
            }
            _ if about.is_empty() => Some(value.clone()),
            _ => Some(format!("{value}\t{about}")),
        }
    }
}

/// Answers a request for completions. Returns false if these words, of which the first is the program,
/// are none.
pub(super) fn complete(words: &[OsString], environment: &Environment) -> bool {
    if words.get(1).is_none_or(|word| word != REQUEST) {
        return false;
    }

    let mut arguments = words.iter().skip(2).cloned();
    if let Some(request) = Request::read(&mut arguments) {
        let answer = answer(&request, environment);
        // Whatever goes wrong, a shell gets no message.
        let _ = write(&request, &answer, &mut ui::stdout());
    }
    true
}

fn answer(request: &Request, environment: &Environment) -> Answer {
    if request.line.is_redirect {
        return Answer::Files;
    }
    let Some((current, before)) = request.words.split_last() else {
        return Answer::Values(Vec::new());
    };
    let mut root = Cli::command();
    root.build();
    let typed = Typed::read(&root, before);

    let (prefix, current, answer) = match typed.slot(current) {
        Slot::Value(option, prefix, value) => {
            let answer = values::of(option, &typed, &value, environment);
            (prefix, value, answer)
        }
        Slot::Option => (String::new(), current.clone(), options(&typed, current)),
        Slot::Word => (String::new(), current.clone(), words_for(&typed, current, environment)),
    };
    let Answer::Values(mut found) = answer else { return answer };
    let current = current.to_string_lossy();
    found.retain(|candidate| {
        candidate.value.starts_with(&*current) && !candidate.value.contains(is_unsafe)
    });
    for candidate in &mut found {
        candidate.value.insert_str(0, &prefix);
    }
    Answer::Values(found)
}

/// Returns the commands and the values of the positional; if there is neither, the options.
fn words_for(typed: &Typed<'_>, current: &OsStr, environment: &Environment) -> Answer {
    let mut found = Vec::new();
    if typed.positionals.is_empty() && !typed.is_escaped {
        found = values::subcommands(typed.command);
    }
    if let Some(positional) = typed.positional() {
        match values::of(positional, typed, current, environment) {
            Answer::Values(values) => {
                // What begins with a hyphen would be an option.
                let fits = |value: &Candidate| typed.is_escaped || !value.value.starts_with('-');
                found.extend(values.into_iter().filter(fits));
            }
            other if found.is_empty() => return other,
            _ => {}
        }
    }
    if found.is_empty() && current.is_empty() && !typed.is_escaped {
        return options(typed, current);
    }
    Answer::Values(found)
}

/// Returns the options by their long names. A short one that is typed is complete.
fn options(typed: &Typed<'_>, current: &OsStr) -> Answer {
    let named = typed.options_left().filter_map(|option| {
        let is_typed = |letter: char| *current == *format!("-{letter}");
        let short = option.get_short().filter(|letter| is_typed(*letter));
        let name = short.map(|letter| format!("-{letter}"));
        let value = name.or_else(|| Some(format!("--{}", option.get_long()?)))?;
        Some(Candidate { value, about: values::first_line(option.get_help()) })
    });
    Answer::Values(named.collect())
}

fn write(request: &Request, answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let mut text = format!("{}\n", answer.kind());
    if let Answer::Values(found) = answer {
        for line in found.iter().filter_map(|candidate| request.shown(candidate)) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}
