//! Completion: answers how the word at the cursor can continue. The scripts that `completions` prints call
//! `session-warden __complete SHELL WORDS…`; the answer is a line that names its kind, then a line for
//! each value. Nothing is changed, no bridge is asked, and no session file is searched for. If anything goes
//! wrong, there is no message, and less to offer.

mod answer;
mod line;
mod typed;
mod values;

use clap::{CommandFactory, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::io::Write;

use super::args::Cli;
use crate::commands::completions::Shell;
use crate::config::Environment;
use crate::model::escape::{escape, is_unsafe};
use crate::ui;
use answer::{Answer, Candidate};
use line::Line;
use typed::{Slot, Typed};

/// The first word of a request. It is not in the grammar, so nothing shows it.
const REQUEST: &str = "__complete";

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
    fn line_of(&self, Candidate { value, about }: &Candidate) -> Option<String> {
        let about = escape(about);
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
/// are no request.
pub(super) fn complete(words: &[OsString], environment: &Environment) -> bool {
    if words.get(1).is_none_or(|word| word != REQUEST) {
        return false;
    }

    if let Some(request) = Request::read(words.iter().skip(2).cloned()) {
        let answer = answer(&request, environment);
        let mut text = format!("{}\n", answer.kind());
        if let Answer::Values(found) = answer {
            text.extend(found.iter().filter_map(|one| Some(request.line_of(one)? + "\n")));
        }
        let _ = ui::stdout().write_all(text.as_bytes());
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
    let mut prefix = String::new();
    let mut current = current.clone();
    let answer = match typed.slot(&current) {
        Slot::Value(option, before, value) => {
            (prefix, current) = (before, value);
            values::of(option, &typed, &current, environment)
        }
        Slot::Option => options(&typed, &current),
        Slot::Word => words_for(&typed, &current, environment),
    };

    let Answer::Values(mut found) = answer else { return answer };
    let current = current.to_string_lossy();
    found.retain(|one| one.value.starts_with(&*current) && !one.value.contains(is_unsafe));
    for candidate in &mut found {
        candidate.value.insert_str(0, &prefix);
    }
    Answer::Values(found)
}

/// Returns the commands and the values of the positional; if there are none, the options.
fn words_for(typed: &Typed<'_>, current: &OsStr, environment: &Environment) -> Answer {
    let mut found = Vec::new();
    if typed.positionals.is_empty() && !typed.is_escaped {
        found = values::subcommands(typed.command);
    }
    if let Some(positional) = typed.positional() {
        match values::of(positional, typed, current, environment) {
            Answer::Values(mut values) => {
                // A word that begins with a hyphen would be an option.
                values.retain(|value| typed.is_escaped || !value.value.starts_with('-'));
                found.append(&mut values);
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
        let short = option.get_short().map(|letter| format!("-{letter}"));
        let long = option.get_long().map(|name| format!("--{name}"));
        let name = short.filter(|name| current == &**name).or(long)?;
        Some(Candidate::with_help(name, option.get_help()))
    });
    Answer::Values(named.collect())
}
