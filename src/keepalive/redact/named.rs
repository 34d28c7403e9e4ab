//! Values that are named as secrets: `password=…`, `x-api-key: …`, `"refresh_token":"…"`, `?code=…`,
//! `--password …`; and the user in an address.

use super::breaks::{is_line_end, line_break};
use super::tokens::{HIDDEN, is_words};

/// Names of secrets, in lower case, followed by a colon or an equals sign.
const NAMES: [&str; 23] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "_key",
    "-key",
    "api key",
    "private key",
    "apikey",
    "cookie",
    "sessionkey",
    "_token",
    "-token",
    "refreshtoken",
    "accesstoken",
    "idtoken",
    "authtoken",
    "sessiontoken",
    "authorization_code",
    "auth_code",
    "device_code",
    "_verifier",
];

/// Names that messages also use for other things: `exit code: 1`, `Failed to refresh token: 401`.
const VAGUE: [&str; 2] = ["code", "token"];

/// An equals sign in a part of an address.
const ENCODED: &str = "%3d";

/// Returns the text without values that are named as secrets.
pub(super) fn without_named(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut values: Vec<(usize, usize)> = NAMES
        .iter()
        .flat_map(|name| lower.match_indices(name).map(|(at, name)| at + name.len()))
        .filter_map(|end| value(text, end))
        .collect();
    for name in VAGUE {
        let found = lower.match_indices(name).filter(|(at, _)| begins_word(&lower[..*at]));
        values.extend(found.filter_map(|(at, _)| vague_value(text, at, name)));
    }
    values.sort_unstable();

    let mut clean = String::new();
    let mut done = 0;
    for (from, to) in values {
        if from < done {
            continue;
        }
        clean.push_str(&text[done..from]);
        clean.push_str(HIDDEN);
        // What follows is on a line of its own.
        clean.push_str(if text[from..to].contains(is_line_end) { "\n" } else { "" });
        done = to;
    }

    clean.push_str(&text[done..]);
    clean
}

/// Returns true if a word may begin after that text, which is in lower case.
fn begins_word(before: &str) -> bool {
    // A question mark or an ampersand in a part of an address.
    before.ends_with("%3f")
        || before.ends_with("%26")
        || !before.ends_with(|letter: char| letter.is_alphanumeric() || "_-".contains(letter))
}

/// Returns where the value begins and ends of a name that ends there, if it has one.
fn value(text: &str, name_end: usize) -> Option<(usize, usize)> {
    let behind = &text[name_end..];
    let encoded = behind.get(..ENCODED.len()).filter(|it| it.eq_ignore_ascii_case(ENCODED));
    let value = match encoded {
        Some(_) => &behind[ENCODED.len()..],
        None => behind.trim_start_matches(|c: char| c.is_whitespace() || ":=\"'\\".contains(c)),
    };
    let between = &behind[..behind.len() - value.len()];
    let word = text[..name_end].rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_option = word.starts_with("--") && !between.is_empty() && between.trim().is_empty();
    if value.is_empty() || !(between.contains([':', '=', '%']) || is_option) {
        return None;
    }

    let from = text.len() - value.len();
    Some((from, from + length(value, between)))
}

fn length(value: &str, between: &str) -> usize {
    if let Some(quote) = between.chars().next_back().filter(|last| "\"'".contains(*last)) {
        return quoted_length(value, &between[..between.len() - 1], quote);
    }

    let ends = |c: char| c.is_whitespace() || "\"'&,;)}\\".contains(c);
    let end = value.find(ends).unwrap_or(value.len());
    let end =
        if between.starts_with('%') { value.find("%26").unwrap_or(end).min(end) } else { end };
    // It may go on in the next line.
    let Some(gap) = line_break(&value[end..]) else { return end };
    let next = &value[end + gap..];
    end + gap + next.find(ends).unwrap_or(next.len())
}

/// Returns the length up to the quote that ends a value: one before which there are no more backslashes than
/// before the first. A value without an end is all that follows.
fn quoted_length(value: &str, before: &str, quote: char) -> usize {
    let backslashes = |text: &str| text.len() - text.trim_end_matches('\\').len();
    let most = backslashes(before);
    let end = value.match_indices(quote).find(|(at, _)| backslashes(&value[..*at]) <= most);
    end.map_or(value.len(), |(at, _)| at - backslashes(&value[..at]))
}

/// As [`value`], of a name that messages also use for other things: only what is joined to its name by an
/// equals sign or in quotes, and is no number of a status.
fn vague_value(text: &str, at: usize, name: &str) -> Option<(usize, usize)> {
    let end = at + name.len();
    let behind = &text[end..];
    let (from, to) = value(text, end)?;
    let between = &text[end..from];
    let shown = &text[from..to];
    let is_joined = !behind.starts_with(char::is_whitespace);
    let is_quoted = between.ends_with(['"', '\'']) && between.contains(':');
    // The next line may be another one.
    let line = shown.split(is_line_end).next().unwrap_or_default().trim_end();
    let is_number = line.len() <= 3 && line.bytes().all(|byte| byte.is_ascii_digit());
    // `"code": "insufficient_quota"`
    let is_name = is_quoted && name == "code" && is_words(shown);
    let is_secret = (between.contains(['=', '%']) || is_quoted) && !is_number && !is_name;
    (is_joined && is_secret).then_some((from, to))
}

/// Returns the text without the user and the password of an address (RFC 3986, 3.2.1), also if a line break
/// is in it.
pub(super) fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| {
            letter.is_whitespace() && !is_line_end(letter) || "/?#\"'".contains(letter)
        });
        let user = part[..end.unwrap_or(part.len())].rfind('@');
        clean.push_str("://");
        clean.push_str(if user.is_some() { HIDDEN } else { "" });
        clean.push_str(&part[user.unwrap_or(0)..]);
    }
    clean
}
