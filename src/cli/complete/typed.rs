//! The words before the cursor, read leniently: the command, the options with their values, and the kind of
//! the word at the cursor.

use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};

use super::super::order::{find, is_option, takes_value};

/// The words before the cursor.
pub(super) struct Typed<'c> {
    /// The whole grammar.
    pub(super) root: &'c Command,
    /// The command that was typed.
    pub(super) command: &'c Command,
    /// The names of the commands that lead to it, without the program.
    pub(super) path: Vec<&'c str>,
    /// The other words, of which none is an option's value.
    pub(super) positionals: Vec<OsString>,
    /// True behind `--`.
    pub(super) is_escaped: bool,
    options: Vec<(&'c Arg, OsString)>,
    /// The option whose value is at the cursor.
    pending: Option<&'c Arg>,
}

/// The kind of the word at the cursor.
pub(super) enum Slot<'c> {
    /// The value of an option. The text comes before the value in the same word.
    Value(&'c Arg, String, OsString),
    /// The name of an option.
    Option,
    /// A command, a positional, or an option that is not begun.
    Word,
}

impl<'c> Typed<'c> {
    /// Reads the words before the cursor; the first is the program.
    pub(super) fn read(root: &'c Command, words: &[OsString]) -> Self {
        let mut typed = Self {
            root,
            command: root,
            path: Vec::new(),
            positionals: Vec::new(),
            is_escaped: false,
            options: Vec::new(),
            pending: None,
        };
        for word in words.iter().skip(1) {
            typed.add(word);
        }
        typed
    }

    fn add(&mut self, word: &OsStr) {
        if self.is_escaped {
            self.positionals.push(word.to_owned());
        } else if let Some(option) = self.pending.take() {
            self.options.push((option, word.to_owned()));
        } else if word == "--" {
            self.is_escaped = true;
        } else if is_option(word) {
            self.add_option(word);
        } else if let Some(found) = self.subcommand(word) {
            self.command = found;
            self.path.push(found.get_name());
        } else {
            self.positionals.push(word.to_owned());
        }
    }

    fn subcommand(&self, word: &OsStr) -> Option<&'c Command> {
        let name = word.to_str().filter(|_| self.positionals.is_empty())?;
        self.command.find_subcommand(name)
    }

    fn add_option(&mut self, word: &OsStr) {
        if let Some(option) = self.with_value(word) {
            self.options.push(option);
            return;
        }

        let Some(text) = word.to_str() else { return };
        let options: Vec<&Arg> = match text.strip_prefix("--") {
            Some(name) => self.long(name).into_iter().collect(),
            None => text.chars().skip(1).filter_map(|letter| self.short(letter)).collect(),
        };
        for option in options {
            if takes_value(option) {
                self.pending = Some(option);
            } else {
                self.options.push((option, OsString::new()));
            }
        }
    }

    /// Splits `--name=value`.
    fn with_value(&self, word: &OsStr) -> Option<(&'c Arg, OsString)> {
        let (name, value) = word.to_str()?.strip_prefix("--")?.split_once('=')?;
        let option = self.long(name)?;
        takes_value(option).then(|| (option, value.into()))
    }

    fn long(&self, name: &str) -> Option<&'c Arg> {
        find(self.root, self.command, &|arg| arg.get_long() == Some(name))
    }

    fn short(&self, letter: char) -> Option<&'c Arg> {
        find(self.root, self.command, &|arg| arg.get_short() == Some(letter))
    }

    /// Returns the kind of a word that begins like that.
    pub(super) fn slot(&self, current: &OsStr) -> Slot<'c> {
        if let Some(option) = self.pending {
            return Slot::Value(option, String::new(), current.to_owned());
        }
        if self.is_escaped || !current.as_encoded_bytes().starts_with(b"-") {
            return Slot::Word;
        }
        match self.with_value(current) {
            Some((option, value)) if !option.is_hide_set() => {
                let name = option.get_long().unwrap_or_default();
                Slot::Value(option, format!("--{name}="), value)
            }
            _ => Slot::Option,
        }
    }

    /// Returns the positional of the next word.
    pub(super) fn positional(&self) -> Option<&'c Arg> {
        let all: Vec<&Arg> =
            self.command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
        let last = all.last().filter(|last| is_repeatable(last));
        let found = all.get(self.positionals.len()).or(last)?;
        (self.is_escaped || !found.is_last_set()).then_some(found)
    }

    /// Returns the options that may still be typed.
    pub(super) fn options_left(&self) -> impl Iterator<Item = &'c Arg> {
        self.command.get_arguments().filter(|arg| {
            let is_typed = self.options.iter().any(|(typed, _)| typed.get_id() == arg.get_id());
            !arg.is_positional() && !arg.is_hide_set() && (!is_typed || is_repeatable(arg))
        })
    }

    /// Returns the value of that option, the last one that was typed; an empty one of an option without values.
    pub(super) fn value(&self, long: &str) -> Option<&OsStr> {
        let mut values = self.options.iter().rev();
        let (_, value) = values.find(|(option, _)| option.get_long() == Some(long))?;
        Some(value)
    }
}

fn is_repeatable(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}
