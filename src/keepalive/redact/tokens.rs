//! Whatever looks like a token, also one that is cut by a line break.

use super::breaks::{is_line_end, line_break};

pub(crate) const HIDDEN: &str = "[hidden]";

/// How tokens begin: keys of Anthropic and `OpenAI`, base64 of a JSON object, Google's access tokens,
/// API keys and refresh tokens, and tokens of GitHub, GitLab, Slack and Amazon.
const BEGINNINGS: [&str; 15] = [
    "sk-",
    "sess-",
    "eyJ",
    "ya29.",
    "AIza",
    "1//0",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
];

/// A run of letters, digits and the like that is at least this long is a token, unless it is made of
/// words.
const LONG: usize = 20;

/// The most pieces that a token is cut into.
const MOST_PIECES: usize = 100;

/// Returns the text without tokens, and with spaces in place of control characters that end no line.
pub(super) fn without_tokens(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    let mut word_before = String::new();

    while let Some(first) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix(HIDDEN) {
            clean.push_str(HIDDEN);
            rest = behind;
            continue;
        }
        let length = run_length(rest);
        if length == 0 {
            let is_shown = !first.is_control() || is_line_end(first);
            clean.push(if is_shown { first } else { ' ' });
            rest = &rest[first.len_utf8()..];
            continue;
        }

        let run = &rest[..length];
        let named = is_named_token(&word_before, run);
        let hidden = cut_token_length(rest, named);
        word_before = run.to_ascii_lowercase();
        if let Some(hidden) = hidden {
            clean.push_str(HIDDEN);
            clean.push_str(if hidden > length { "\n" } else { "" });
            rest = &rest[hidden..];
        } else {
            clean.push_str(run);
            rest = &rest[length..];
        }
    }

    clean
}

fn run_length(text: &str) -> usize {
    text.bytes().take_while(|byte| is_of_token(*byte)).count()
}

/// Returns true if the word before shows that a run is a token.
fn is_named_token(word_before: &str, run: &str) -> bool {
    match word_before {
        "bearer" => true,
        // A user and a password in base64, or a word.
        "basic" => run.bytes().any(|byte| !byte.is_ascii_lowercase()),
        // `Failed to refresh token: 401` has no token.
        "token" => {
            run.bytes().any(|byte| byte.is_ascii_digit())
                && run.bytes().any(|byte| byte.is_ascii_alphabetic())
        }
        _ => false,
    }
}

/// Returns the length of the token that `text` begins with, through all lines that it is cut into.
///
/// The next line goes on with it if it is a token up to here, or if one of both parts is not made of words:
/// then all parts together may be a token.
fn cut_token_length(text: &str, is_named: bool) -> Option<usize> {
    let mut end = run_length(text);
    let mut token = text[..end].to_owned();
    let mut last = token.clone();
    let mut found = (is_named || is_token(&token)).then_some(end);

    for _ in 1..MOST_PIECES {
        let Some(gap) = line_break(&text[end..]) else { break };
        let behind = &text[end + gap..];
        let next = &behind[..run_length(behind)];
        let is_first = last.len() == token.len();
        // A word before a token is no part of it.
        let is_another = is_first && found.is_none() && is_words(&last) && is_token(next);
        let goes_on = is_first && found.is_some() || !is_words(&last) || !is_words(next);
        if next.is_empty() || is_another || !goes_on {
            break;
        }
        end += gap + next.len();
        token.push_str(next);
        next.clone_into(&mut last);
        if is_named || is_token(&token) {
            found = Some(end);
        }
    }

    found
}

/// Returns true for the characters of tokens: base64 in either alphabet, and separators of their parts.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_+/=.~%".contains(&byte)
}

fn is_token(run: &str) -> bool {
    let begins_token = BEGINNINGS.iter().any(|beginning| {
        run.match_indices(beginning).any(|(at, _)| {
            !run[..at].bytes().next_back().is_some_and(|before| before.is_ascii_alphanumeric())
        })
    });
    begins_token || run.len() >= LONG && !is_words(run)
}

/// Returns true for words, with anything between them.
pub(super) fn is_words(run: &str) -> bool {
    run.split(|letter: char| !letter.is_ascii_alphanumeric()).all(is_word)
}

/// Returns true for a word as people write them, a name in `CamelCase`, and a number that is no longer
/// than a time.
fn is_word(part: &str) -> bool {
    if part.bytes().all(|byte| byte.is_ascii_digit()) {
        return part.len() <= 10;
    }
    if part.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return part.len() < LONG;
    }

    let mut words: Vec<usize> = Vec::new();
    for letter in part.bytes() {
        match words.last_mut() {
            Some(length) if !letter.is_ascii_uppercase() => *length += 1,
            _ => words.push(1),
        }
    }

    // A random text has single letters between others.
    let shortest = if words.len() == 1 { 1 } else { 3 };
    part.bytes().all(|byte| byte.is_ascii_alphabetic())
        && words.iter().all(|length| (shortest..LONG).contains(length))
}
