//! What was typed before the cursor, read leniently: the command, the options with their values, and what
//! the word at the cursor can be.

use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

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

/// What the word at the cursor is.
pub(super) enum Slot<'c> {
    /// The value of an option or a positional. The text comes before the value in the same word.
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
        if let Some((option, value)) = self.with_value(word) {
            self.options.push((option, value));
            return;
        }
        let Some(text) = word.to_str() else { return };
        if let Some(name) = text.strip_prefix("--") {
            if let Some(option) = self.find(&|arg| arg.get_long() == Some(name)) {
                self.add_found(option);
            }
            return;
        }
        for letter in text.chars().skip(1) {
            if let Some(option) = self.find(&|arg| arg.get_short() == Some(letter)) {
                self.add_found(option);
            }
        }
    }

    fn add_found(&mut self, option: &'c Arg) {
        if takes_value(option) {
            self.pending = Some(option);
        } else {
            self.options.push((option, OsString::new()));
        }
    }

    /// Splits `--name=value`.
    fn with_value(&self, word: &OsStr) -> Option<(&'c Arg, OsString)> {
        let text = word.to_str()?;
        let (name, value) = text.strip_prefix("--")?.split_once('=')?;
        let option = self.find(&|arg| arg.get_long() == Some(name))?;
        takes_value(option).then(|| (option, value.into()))
    }

    fn find(&self, is_it: &dyn Fn(&Arg) -> bool) -> Option<&'c Arg> {
        find(self.root, self.command, is_it)
    }

    /// Returns what a word that begins like that can be.
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

    /// Returns the positional that the next word is of.
    pub(super) fn positional(&self) -> Option<&'c Arg> {
        let all = || self.command.get_positionals().filter(|arg| !arg.is_hide_set());
        let takes_more = |arg: &&Arg| matches!(arg.get_action(), ArgAction::Append);
        let found =
            all().nth(self.positionals.len()).or_else(|| all().last().filter(takes_more))?;
        (self.is_escaped || !found.is_last_set()).then_some(found)
    }

    /// Returns the options that may still be typed.
    pub(super) fn options_left(&self) -> impl Iterator<Item = &'c Arg> {
        let is_left = |arg: &&Arg| {
            let is_typed = self.options.iter().any(|(typed, _)| typed.get_id() == arg.get_id());
            !arg.is_positional()
                && !arg.is_hide_set()
                && (!is_typed || matches!(arg.get_action(), ArgAction::Append))
        };
        self.command.get_arguments().filter(is_left)
    }

    /// Returns true if that option was typed.
    pub(super) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(option, _)| option.get_long() == Some(long))
    }

    /// Returns the value of that option, the last one that was typed.
    pub(super) fn value(&self, long: &str) -> Option<&OsStr> {
        let mut values = self.options.iter().rev();
        let found = values.find(|(option, _)| option.get_long() == Some(long))?;
        Some(&found.1)
    }

    /// Returns that path, in which `~` is the home folder.
    pub(super) fn path(&self, long: &str, home: Option<&OsStr>) -> Option<PathBuf> {
        let value = self.value(long).filter(|value| !value.is_empty())?;
        let below = value.to_str().and_then(|text| text.strip_prefix("~/"));
        match (below, home) {
            (Some(below), Some(home)) => Some(PathBuf::from(home).join(below)),
            _ => Some(value.into()),
        }
    }
}
