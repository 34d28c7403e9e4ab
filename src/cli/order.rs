//! Options before a subcommand: they are moved behind it, so that they mean the same in both places.
//!
//! clap's `global` options do not serve: of an option that is given before and after the
//! subcommand, it drops the first, so that lists lose values and duplicates go unnoticed.

use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};

/// Returns the words with every option that precedes a subcommand moved right behind it. The first
/// word is the program.
pub(super) fn options_last(root: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut first: Vec<OsString> = words.next().into_iter().collect();
    let mut options = Vec::new();
    let mut command = root;

    while let Some(word) = words.next() {
        if is_option(&word) {
            let takes_value = takes_next_word(root, command, &word);
            options.push(word);
            if takes_value {
                options.extend(words.next());
            }
            continue;
        }

        match word.to_str().and_then(|name| command.find_subcommand(name)) {
            // `help clean` names a command, and takes no option of its own.
            Some(found) if found.get_name() != "help" => {
                command = found;
                first.push(word);
            }
            _ => {
                options.push(word);
                break;
            }
        }
    }

    first.extend(options);
    first.extend(words);
    first
}

/// Returns the command that the words name, as `session-warden schedule install`. Options have been
/// moved behind it.
pub(super) fn command_named(root: &Command, words: &[OsString]) -> String {
    let mut command = root;
    let mut name = root.get_name().to_owned();
    for word in words.iter().skip(1) {
        let Some(found) = word.to_str().and_then(|word| command.find_subcommand(word)) else {
            break;
        };
        command = found;
        name = format!("{name} {}", found.get_name());
    }
    name
}

/// Returns true if `-h` is among the words that concern the program itself.
pub(super) fn asks_for_short_help(words: &[OsString]) -> bool {
    let own = words.iter().skip(1).take_while(|word| *word != "--");
    own.clone().any(|word| word == "-h") && own.clone().all(|word| is_option(word))
}

pub(super) fn is_option(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes.len() > 1 && bytes[0] == b'-' && bytes != b"--"
}

/// Returns true if the option's value is the word behind it.
fn takes_next_word(root: &Command, command: &Command, option: &OsStr) -> bool {
    let Some(text) = option.to_str() else { return false };

    if let Some(name) = text.strip_prefix("--") {
        return !name.contains('=')
            && find(root, command, &|arg| arg.get_long() == Some(name)).is_some_and(takes_value);
    }

    // Of short options in one word, the first that takes a value takes the rest of the word.
    let mut letters = text.chars().skip(1);
    while let Some(letter) = letters.next() {
        let arg = find(root, command, &|arg| arg.get_short() == Some(letter));
        if arg.is_some_and(takes_value) {
            return letters.next().is_none();
        }
    }
    false
}

pub(super) fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// Finds an option of the command, or of any other: which one it is for is not known yet.
pub(super) fn find<'c>(
    root: &'c Command,
    command: &'c Command,
    is_it: &dyn Fn(&Arg) -> bool,
) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| is_it(arg)).or_else(|| find_below(root, is_it))
}

fn find_below<'c>(command: &'c Command, is_it: &dyn Fn(&Arg) -> bool) -> Option<&'c Arg> {
    command
        .get_arguments()
        .find(|arg| is_it(arg))
        .or_else(|| command.get_subcommands().find_map(|below| find_below(below, is_it)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    #[test]
    fn options_move_behind_the_subcommand() {
        #[track_caller]
        fn check(typed: &str, expected: &str) {
            let words =
                |line: &str| line.split_whitespace().map(OsString::from).collect::<Vec<_>>();
            let moved = options_last(&Cli::command(), words(typed));
            assert_eq!(moved, words(expected), "{typed}");
        }
        check("w", "w");
        check("w -n --hours 4", "w -n --hours 4");
        check("w -n clean", "w clean -n");
        check("w --hours 4 clean -n", "w clean --hours 4 -n");
        check("w --hours=4 clean", "w clean --hours=4");
        check("w --pin a clean --pin b", "w clean --pin a --pin b");
        check("w --session-dir clean list", "w list --session-dir clean");
        check("w -nq --state-dir s clean", "w clean -nq --state-dir s");
        if cfg!(feature = "keepalive") {
            check(
                "w --config f keepalive --state-dir s run p",
                "w keepalive run --config f --state-dir s p",
            );
        }
        check("w --config f schedule -n print", "w schedule print --config f -n");
        check(
            "w --state-dir s hold --session x -- cmd -n",
            "w hold --state-dir s --session x -- cmd -n",
        );
        check("w --unmapped list", "w list --unmapped");
        check("w --nope clean", "w clean --nope");
        check("w -n help clean", "w -n help clean");
        check("w -- clean", "w -- clean");
        check("w --dry-run undo latest", "w undo --dry-run latest");
    }

    #[test]
    fn an_option_takes_a_value_in_every_command_or_in_none() {
        fn collect(command: &Command, all: &mut Vec<(String, bool)>) {
            for arg in command.get_arguments() {
                all.extend(arg.get_long().map(|name| (name.to_owned(), takes_value(arg))));
                all.extend(arg.get_short().map(|letter| (letter.to_string(), takes_value(arg))));
            }
            command.get_subcommands().for_each(|below| collect(below, all));
        }
        let mut all = Vec::new();
        collect(&Cli::command(), &mut all);
        for (name, takes) in &all {
            assert!(all.iter().all(|(other, also)| other != name || also == takes), "{name}");
        }
    }

    #[test]
    fn short_help_of_the_program_is_asked_for_without_a_command() {
        let check = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            asks_for_short_help(&words)
        };
        assert!(check("w -h") && check("w -n -h"));
        assert!(!check("w --help") && !check("w list -h") && !check("w hold -- ls -h"));
    }
}
