//! The command in a line of a crontab, in a form that every cron leaves unchanged and every shell reads alike: the
//! `SHELL=` of a crontab may be sh, bash, zsh, tcsh or fish.

use super::quote::{is_plain, shell_words};

/// Sets variables in any shell, and with any `PATH`.
const ENV: &str = "/usr/bin/env";

/// Before and after a command whose letters are octal numbers: see [`encoded`].
const ENCODED: (&str, &str) = ("eval \"$(printf %b \"", "\")\"");

/// Returns the command that runs these words, the program first, with these variables.
pub(super) fn command(variables: &[String], words: &[String]) -> String {
    let all = || variables.iter().chain(words);
    // env takes a program with an equals sign for a variable.
    let is_easy = !all().any(|word| word.contains(is_hard))
        && !words.first().is_some_and(|program| program.contains('='));
    if !is_easy {
        return encoded(variables, words);
    }

    let env = if variables.is_empty() { "" } else { ENV };
    let words: Vec<String> = all().map(|word| assignment_or_word(word, quoted)).collect();
    format!("{env} {}", words.join(" ")).trim_start().to_owned()
}

/// Returns the words of a command in a crontab, without the `env` before them. Percent signs have no backslash.
pub(super) fn words_of(command: &str) -> Vec<String> {
    let words = shell_words(command);
    if let [shell, option, script, ..] = &words[..]
        && (shell.as_str(), option.as_str()) == ("/bin/sh", "-c")
        && let Some(text) = script.strip_prefix(ENCODED.0).and_then(|t| t.strip_suffix(ENCODED.1))
    {
        return shell_words(&decoded(text));
    }

    let is_env = words.first().is_some_and(|first| first == ENV || first == "env");
    words.into_iter().skip(usize::from(is_env)).collect()
}

/// Returns true if crons or shells differ about a letter within single quotes: fish and some crons take a backslash
/// for the start of an escape, tcsh an exclamation mark for one of a past command, busybox a number sign for one of
/// a comment.
fn is_hard(letter: char) -> bool {
    matches!(letter, '\\' | '!' | '#') || letter.is_control()
}

/// Quotes a word, but not the name of a variable before its value.
fn assignment_or_word(word: &str, quote: fn(&str) -> String) -> String {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() && name.bytes().all(is_of_name) => {
            format!("{name}={}", quote(value))
        }
        _ => quote(word),
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Quotes a word without hard letters. A percent sign ends a command, unless a backslash is before it. Some crons
/// remove that backslash, some leave it: so it is outside of the quotes.
fn quoted(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''").replace('%', "'\\%'"))
}

/// Quotes a word for a POSIX shell.
fn posix(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Returns a command whose text for a POSIX shell is an argument of printf, with every letter that is not plain as
/// an octal number.
fn encoded(variables: &[String], words: &[String]) -> String {
    let all = variables.iter().chain(words);
    let text: Vec<String> = all.map(|word| assignment_or_word(word, posix)).collect();

    let letters: String = text.join(" ").bytes().map(octal_unless_plain).collect();
    format!("/bin/sh -c {}", quoted(&format!("{}{letters}{}", ENCODED.0, ENCODED.1)))
}

fn octal_unless_plain(byte: u8) -> String {
    let letter = char::from(byte);
    if letter == ' ' || is_plain(letter.encode_utf8(&mut [0; 4])) {
        letter.to_string()
    } else {
        format!("\\0{byte:03o}")
    }
}

/// Returns the text in which `\0` and three octal digits are a byte.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = rest.strip_prefix(b"\\0").and_then(|digits| digits.get(..3));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = rest.get(5..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[&str], words: &[&str], expected: &str) {
        let owned = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let command = command(&owned(variables), &owned(words));
        assert_eq!(command, expected);

        let all = [variables, words].concat();
        assert_eq!(words_of(&format!("{} # a comment", command.replace("\\%", "%"))), all);
    }

    #[test]
    fn every_cron_and_shell_reads_the_same_words() {
        check(&[], &["/p", "clean", "-q"], "/p clean -q");
        check(&["A=b", "B="], &["/p"], "/usr/bin/env A=b B='' /p");
        check(
            &["A=/it's here"],
            &["/my p", "--pin=50%*", "", "$x `y` \"z\""],
            "/usr/bin/env A='/it'\\''s here' '/my p' '--pin=50'\\%'*' '' '$x `y` \"z\"'",
        );
        // What is hard is in no shell's quotes.
        check(
            &["A=a b"],
            &["/p", "\\'#!"],
            "/bin/sh -c 'eval \"$(printf '\\%'b \"A=\\0047a b\\0047 /p \
             \\0047\\0134\\0047\\0134\\0047\\0047\\0043\\0041\\0047\")\"'",
        );
        check(&["A=b"], &["/a=b/p"], "/bin/sh -c 'eval \"$(printf '\\%'b \"A=b /a=b/p\")\"'");
    }
}
