//! One line of a program's output, fit for a state file and a terminal: without control characters, of
//! bounded length, and without secrets.

use super::named::{without_named, without_users};
use super::pem::without_blocks;
use super::tokens::{HIDDEN, without_tokens};

const LONGEST: usize = 200;

/// Returns the last line of a text with at least three letters to show, without secrets, and cut to 200
/// characters. What is a secret is decided by the whole text, since it may be cut by a line break.
pub(crate) fn last_line(text: &str) -> Option<String> {
    let clean = redact(text);
    let line = clean.lines().rev().find(|line| {
        line.replace(HIDDEN, "").chars().filter(|letter| letter.is_alphabetic()).count() >= 3
    })?;
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(match line.char_indices().nth(LONGEST) {
        // The ellipsis counts as a character.
        Some(_) => line.chars().take(LONGEST - 1).chain(['…']).collect(),
        None => line,
    })
}

fn redact(text: &str) -> String {
    let text = without_blocks(&without_colours(text));
    without_tokens(&without_named(&without_users(&text)))
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
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected, "{text}");
    }

    #[test]
    fn what_looks_like_a_token_is_hidden() {
        let hex = "0123456789abcdef0123456789abcdef";
        check("key sk-ant-api03-x refused", "key [hidden] refused");
        check("token=sk-x&y", "token=[hidden]&y");
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
    fn what_logs_in_is_hidden_by_its_name() {
        for (text, expected) in [
            (r#"{"refresh_token":"abc","n":1}"#, r#"{"refresh_token":"[hidden]","n":1}"#),
            (r#"{"access_token" : "a\"b", "n": 1}"#, r#"{"access_token" : "[hidden]", "n": 1}"#),
            (
                r#""{\"refresh_token\":\"abc\",\"n\":1}""#,
                r#""{\"refresh_token\":\"[hidden]\",\"n\":1}""#,
            ),
            ("'refreshToken': 'abc' x", "'refreshToken': '[hidden]' x"),
            ("id_token=abc&x=1", "id_token=[hidden]&x=1"),
            ("\"token\":\"abc\" x", "\"token\":\"[hidden]\" x"),
            (
                "http://localhost:1/cb?code=ab&state=1",
                "http://localhost:1/cb?code=[hidden]&state=1",
            ),
            ("code=4/0Ab failed", "code=[hidden] failed"),
            ("x%3Fcode%3Dab", "x%3Fcode%3D[hidden]"),
            ("?CODE%3Dab%26x", "?CODE%3D[hidden]%26x"),
            ("\"code\": \"4/0Ab\"", "\"code\": \"[hidden]\""),
            ("device_code: ab x", "device_code: [hidden] x"),
        ] {
            check(text, expected);
        }
        for line in [
            "exit code=1, code=401, exit code: 1",
            "exit code=1\nfailed",
            "{\"code\":\"insufficient_quota\",\"code\": 400}",
            "{\"error\":\"invalid_token\",\"max_tokens\":5} refresh_token_reused",
            "Unexpected token = in JSON at position 5",
            "barcode=ab",
        ] {
            check(line, line);
        }
    }

    #[test]
    fn a_token_is_hidden_in_all_the_lines_that_it_is_cut_into() {
        for (text, expected) in [
            ("key sk-ant-oat01-ab\ncdef is bad", "key [hidden]\n is bad"),
            ("key sk-ant-oat01-ab\r\n  cdef is bad", "key [hidden]\n is bad"),
            (
                "\u{2502} sk-ant-oat01-ab \u{2502}\n\u{2502} cdef is bad \u{2502}",
                "\u{2502} [hidden]\n is bad \u{2502}",
            ),
            ("\"sk-ant-oat01-ab\\ncdef\" is bad", "\"[hidden]\n\" is bad"),
            ("s\nk-ant-oat01-abc is bad", "[hidden]\n is bad"),
            ("Ab9x7Qp2LmN8\nk3J5vR7tYw is bad", "[hidden]\n is bad"),
            ("Ab9x7Q\np2LmN8k\n3J5vR7tYw is bad", "[hidden]\n is bad"),
            ("Bearer abc\ndef is bad", "Bearer [hidden]\n is bad"),
            ("Bearer\nabc is bad", "Bearer\n[hidden] is bad"),
            ("password=hun\nter is bad", "password=[hidden]\n is bad"),
            ("\"refresh_token\":\"ab\ncd\" is bad", "\"refresh_token\":\"[hidden]\n\" is bad"),
            ("\"refresh_token\":\n\"ab\" is bad", "\"refresh_token\":\n\"[hidden]\" is bad"),
            ("?code=ab\ncd&x is bad", "?code=[hidden]\n&x is bad"),
            ("https://me:hun\nter@host is bad", "https://[hidden]@host is bad"),
        ] {
            check(text, expected);
        }
        for text in [
            "Failed to refresh the\nauthentication of this user",
            "it is a long line of words about authentication\nauthentication",
            "exit 1\nstep-2\nfailed",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn of_what_is_cut_the_last_line_shows_nothing() {
        let begin = "it failed\n-----BEGIN PRIVATE KEY-----\nabcdefgh\nijkl=\n";
        for (text, expected) in [
            (format!("{begin}-----END PRIVATE KEY-----\n"), Some("it failed")),
            (begin.to_owned(), Some("it failed")),
            ("abcdefgh\nijkl=\n-----END PRIVATE KEY-----\n".to_owned(), None),
            ("it failed\nsk-ant-oat01-ab\ncdefgh\n".to_owned(), Some("it failed")),
            ("it failed: sk-ant-oat01-ab\ncdefgh\n".to_owned(), Some("it failed: [hidden]")),
        ] {
            assert_eq!(last_line(&text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        assert_eq!(last_line(" abc\tb\u{7}\u{1b}c  d ").as_deref(), Some("abc b c d"));
        let long = format!("{}…", "ü ".repeat(100).trim_end());
        assert_eq!(last_line(&"ü ".repeat(300)), Some(long));
        let said = "first\n\u{1b}[31mERROR:\u{1b}[0m no \u{1b}[1mway\u{1b}\n}\n  42\n\n";
        assert_eq!(last_line(said).as_deref(), Some("ERROR: no way"));
        assert_eq!(last_line("\n }\n"), None);
    }
}
