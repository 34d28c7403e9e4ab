//! One line of a program's output, fit for a state file and a terminal: without control characters, of
//! bounded length, and without anything that looks like a token.

const LONGEST: usize = 200;

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

/// Names of secrets, followed by a colon or an equals sign. `token` is not one of them: messages say
/// more about tokens than their value.
const NAMES: [&str; 13] = [
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
    "auth-token",
];

/// A run of letters, digits and the like that is at least this long is a token, unless it is made of
/// words.
const LONG: usize = 20;

/// Returns the last line with at least three letters, redacted.
pub(crate) fn last_line(text: &str) -> Option<String> {
    let plain = without_colours(text);
    let mut lines = plain.lines().rev();
    lines.find(|line| line.chars().filter(|letter| letter.is_alphabetic()).count() >= 3).map(redact)
}

/// Returns the text without tokens, on one line and cut to 200 characters.
pub(crate) fn redact(text: &str) -> String {
    let line = without_tokens(&without_named(&without_users(&without_colours(text))));
    let words: Vec<&str> = line.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        // The ellipsis counts as a character.
        Some(_) => line.chars().take(LONGEST - 1).chain(['…']).collect(),
        None => line,
    }
}

/// Returns the line without tokens, and with spaces in place of control characters.
fn without_tokens(line: &str) -> String {
    let mut clean = String::new();
    let mut rest = line;
    let mut word_before = String::new();

    while let Some(first) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix(HIDDEN) {
            clean.push_str(HIDDEN);
            rest = behind;
            continue;
        }
        let length = rest.bytes().take_while(|byte| is_of_token(*byte)).count();
        if length == 0 {
            clean.push(if first.is_control() { ' ' } else { first });
            rest = &rest[first.len_utf8()..];
            continue;
        }

        let (run, behind) = rest.split_at(length);
        let is_secret = match &*word_before {
            "bearer" => true,
            // A user and a password in base64, or a word.
            "basic" => run.bytes().any(|byte| !byte.is_ascii_lowercase()),
            // `Failed to refresh token: 401` has no token.
            "token" => {
                run.bytes().any(|byte| byte.is_ascii_digit())
                    && run.bytes().any(|byte| byte.is_ascii_alphabetic())
            }
            _ => false,
        };
        clean.push_str(if is_secret || is_token(run) { HIDDEN } else { run });
        word_before = run.to_ascii_lowercase();
        rest = behind;
    }

    clean
}

/// Returns the line without the user and the password of an address (RFC 3986, 3.2.1).
fn without_users(line: &str) -> String {
    let mut parts = line.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| letter.is_whitespace() || "/?#\"'".contains(letter));
        let user = part[..end.unwrap_or(part.len())].rfind('@');
        clean.push_str("://");
        clean.push_str(if user.is_some() { HIDDEN } else { "" });
        clean.push_str(&part[user.unwrap_or(0)..]);
    }
    clean
}

/// Returns the line without values that are named as secrets: `password=…`, `x-api-key: …`,
/// `"secret":"…"`, `--password …`.
fn without_named(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let mut names: Vec<usize> = NAMES
        .iter()
        .flat_map(|name| lower.match_indices(name).map(|(at, name)| at + name.len()))
        .collect();
    names.sort_unstable();

    let mut clean = String::new();
    let mut done = 0;
    for end in names.into_iter().filter(|end| lower.is_char_boundary(*end)) {
        let behind = &line[end..];
        let value = behind.trim_start_matches([' ', '\t', ':', '=', '"', '\'']);
        let between = &behind[..behind.len() - value.len()];
        let word = line[..end].rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_option = word.starts_with("--") && !between.is_empty() && between.trim().is_empty();
        if end < done || !(between.contains([':', '=']) || is_option) {
            continue;
        }

        let length = match between.chars().next_back().filter(|last| "\"'".contains(*last)) {
            Some(quote) => value.find(quote),
            None => value.find(|c: char| c.is_whitespace() || "\"'&,;)}".contains(c)),
        };
        clean.push_str(&line[done..end + between.len()]);
        clean.push_str(HIDDEN);
        done = end + between.len() + length.unwrap_or(value.len());
    }

    clean.push_str(&line[done..]);
    clean
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
    let mut parts = run.split(|letter: char| !letter.is_ascii_alphanumeric());
    begins_token || run.len() >= LONG && !parts.all(is_word)
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

/// Returns the text without the escape sequences for colours (ECMA-48, 5.4).
pub(crate) fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter| ('@'..='~').contains(&letter));
        plain.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(redact(line), expected, "{line}");
    }

    #[test]
    fn what_looks_like_a_token_is_hidden() {
        let hex = "0123456789abcdef0123456789abcdef";
        check("key sk-ant-api03-x refused", "key [hidden] refused");
        check("token=sk-x&y", "[hidden]&y");
        check("\"eyJhbGciOiJ9.eyJzdWIi.c2ln\"", "\"[hidden]\"");
        check("(ya29.a0Af)", "([hidden])");
        check("AIzaSyA-1 and 1//0gx", "[hidden] and [hidden]");
        check("Authorization: Bearer short", "Authorization: Bearer [hidden]");
        check(&format!("id {hex}, Ab9{hex}=="), "id [hidden], [hidden]");
        check("req_011CX7zT7Swc35VFkEUZ57Fo failed", "[hidden] failed");
        check(&format!("/home/me/{hex}/x"), "[hidden]");
        check("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", "[hidden]");
        check("abcdefghijklmnopqrstuvwxyz", "[hidden]");
        check("QuJdreVgrhJiSktmTuPuFsUrVlXw", "[hidden]");
        check("12345678901234567890", "[hidden]");
    }

    #[test]
    fn what_is_named_as_a_secret_is_hidden() {
        check("password=hunter2&x=1", "password=[hidden]&x=1");
        check("DB_PASSWORD: hunter2 is wrong", "DB_PASSWORD: [hidden] is wrong");
        check("x-api-key: abc", "x-api-key: [hidden]");
        check(
            "{\"client_secret\": \"a b\", \"n\": 1}",
            "{\"client_secret\": \"[hidden]\", \"n\": 1}",
        );
        check("Cookie: sessionKey=abc; path=/", "Cookie: [hidden]; path=/");
        check("https://me:hunter2@host/x?y", "https://[hidden]@host/x?y");
        check("proxy http://me:p@ss@host:3128 refused", "proxy http://[hidden]@host:3128 refused");
        check("Authorization: Basic bWU6aHVudGVyMg==", "Authorization: Basic [hidden]");
        check("a basic plan", "a basic plan");
        check("token: hunter2hunter2", "token: [hidden]");
        check("Authorization: Token hunter2", "Authorization: Token [hidden]");
        check("x-auth-token: hunter", "x-auth-token: [hidden]");
        check("api key: hunterkey", "api key: [hidden]");
        check("curl --password hunter -v", "curl --password [hidden] -v");
        check("pwd=hunter ACCESS_KEY=hunter", "pwd=[hidden] ACCESS_KEY=[hidden]");
        check("session_key=h private_key: h", "session_key=[hidden] private_key: [hidden]");
        check("sk-ant-oat01-abc\u{1b}[31mdefGHI123 is bad", "[hidden] is bad");
        check("xoxb-12-ab and AKIAIOSFODNN7EXAMPLE", "[hidden] and [hidden]");
        check("the password is wrong", "the password is wrong");
        check("https://host/a@b", "https://host/a@b");
        check(
            "Failed to refresh token: 401 Unauthorized",
            "Failed to refresh token: 401 Unauthorized",
        );
    }

    #[test]
    fn what_is_words_stays() {
        for line in [
            "Claude AI usage limit reached|1762952400",
            "Not inside a trusted directory and --skip-git-repo-check was not specified.",
            "Upgrade to Pro (https://openai.com/chatgpt/pricing) or try again in 5 days",
            "Error authenticating: FatalAuthenticationError: UserCancelledItself",
            "task-1 of a risk-free disk-full day",
            "cannot read /home/someone/projects/website/index.html",
            "You've hit your limit · resets 10pm (America/New_York)",
        ] {
            check(line, line);
        }
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        check(" a\tb\u{7}\u{1b}c  d ", "a b c d");
        check(&"ü ".repeat(300), &format!("{}…", "ü ".repeat(100).trim_end()));
        let said = "first\n\u{1b}[31mERROR:\u{1b}[0m no \u{1b}[1mway\u{1b}\n}\n  42\n\n";
        assert_eq!(last_line(said).as_deref(), Some("ERROR: no way"));
        assert_eq!(last_line("\n }\n"), None);
    }
}
