//! What to make of an answer of Claude's web page. Its words are shown through
//! [`SessionKey::scrub`] alone.

use serde_json::Value;
use std::io::{self, Read};
use ureq::http::{HeaderMap, Response};

use super::key::SessionKey;
use super::limits::{limit, retry_after, time};
use crate::model::Timestamp;

/// The most that is read of an answer that is no stream.
const LARGEST: u64 = 1 << 20;

/// Why a call did not do what it was for. No text in here holds anything of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody has asked to stop.
    Stopped,
    /// The key is not accepted, or the page is closed to us: trying again would make it worse.
    Refused(String),
    /// A usage limit is reached.
    Limited {
        /// When it ends, if that was told.
        until: Option<Timestamp>,
    },
    /// Something else went wrong.
    Failed {
        /// What, in one line.
        why: String,
        /// The status of the answer, where a whole one came.
        status: Option<u16>,
    },
}

impl Trouble {
    /// Something went wrong that is not told by a status.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), status: None }
    }

    /// Whether what was asked for cannot have been done: the page has said no. Without an answer, and
    /// after an error of the page's own, nobody knows.
    pub fn is_a_no(&self) -> bool {
        match self {
            Self::Stopped => false,
            Self::Refused(_) | Self::Limited { .. } => true,
            Self::Failed { status, .. } => {
                status.is_some_and(|status| (300..=499).contains(&status))
            }
        }
    }
}

/// The answer to a call, which had a status of success.
pub(super) type Answer = Response<ureq::Body>;

/// The answer, if its status is one of success.
pub(super) fn good(
    answer: Result<Answer, ureq::Error>,
    key: &SessionKey,
    now: Timestamp,
) -> Result<Answer, Trouble> {
    let mut answer = answer.map_err(|error| cut(error, key))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    // Where it cannot be read to its end, the status says enough.
    let body = read(&mut answer).unwrap_or_default();
    Err(judge(status.as_u16(), answer.headers(), &body, key, now))
}

fn judge(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    key: &SessionKey,
    now: Timestamp,
) -> Trouble {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let first = body.trim_ascii_start().first();
    let is_json = match first {
        Some(first) => b"{[".contains(first),
        None => header("content-type").is_some_and(|kind| kind.contains("json")),
    };
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = words(&told, key).map(|said| format!(": {said}")).unwrap_or_default();
    match status {
        401 | 403 if status == 401 || is_json => Trouble::Refused(format!(
            "the session key has expired or is invalid (HTTP {status}{said})"
        )),
        403 => Trouble::Refused(
            "blocked (HTTP 403 with a web page, as a bot check has); it is not worked around"
                .to_owned(),
        ),
        429 => {
            let unified = || {
                let told = header("anthropic-ratelimit-unified-reset")?;
                time(&Value::String(told.to_owned()), now)
            };
            let retry = || retry_after(header("retry-after")?, now);
            Trouble::Limited { until: limit(&told, now).or_else(unified).or_else(retry) }
        }
        300..=399 => Trouble::Failed {
            why: format!("a redirect (HTTP {status}), which is not followed with the key"),
            status: Some(status),
        },
        _ => Trouble::Failed { why: format!("HTTP {status}{said}"), status: Some(status) },
    }
}

/// What an event of the stream says that is an error.
pub(super) fn error_event(data: &str, key: &SessionKey, now: Timestamp) -> Trouble {
    let told: Value = serde_json::from_str(data).unwrap_or_default();
    match told["error"]["type"].as_str() {
        Some("rate_limit_error") => Trouble::Limited { until: limit(&told, now) },
        Some("authentication_error") => {
            let said = words(&told, key).unwrap_or_default();
            Trouble::Refused(format!("the session key has expired or is invalid ({said})"))
        }
        _ => {
            let said = words(&told, key).map(|said| format!(": {said}")).unwrap_or_default();
            Trouble::failed(format!("the answer ended with an error{said}"))
        }
    }
}

/// What an error says, in one line.
fn words(told: &Value, key: &SessionKey) -> Option<String> {
    let error = told.get("error").unwrap_or(told);
    // That it is an error is known.
    let kind = error["type"].as_str().filter(|kind| !["", "error"].contains(kind));
    let message = error["message"].as_str().or(error.as_str());
    // JSON is for programs.
    let message = message.filter(|text| !text.is_empty() && !text.starts_with('{'));
    match (kind, message) {
        (Some(kind), Some(message)) => Some(key.scrub(&format!("{kind}: {message}"))),
        (one, other) => one.or(other).map(|text| key.scrub(text)),
    }
}

/// The JSON in an answer.
pub(super) fn json(mut answer: Answer, what: &str, key: &SessionKey) -> Result<Value, Trouble> {
    let body = read(&mut answer).map_err(|error| cut(error.into(), key))?;
    if body.len() as u64 > LARGEST {
        return Err(Trouble::failed(format!("{what}: the answer is larger than 1 MiB")));
    }
    // What serde says of it would show parts of it.
    serde_json::from_slice(&body)
        .map_err(|_| Trouble::failed(format!("{what}: the answer is not JSON")))
}

/// The body, or one byte more of it than there may be.
fn read(answer: &mut Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    answer
        .body_mut()
        .with_config()
        .limit(u64::MAX)
        .reader()
        .take(LARGEST + 1)
        .read_to_end(&mut body)?;
    Ok(body)
}

/// Why no whole answer came.
pub(super) fn cut(error: ureq::Error, key: &SessionKey) -> Trouble {
    Trouble::failed(match error {
        ureq::Error::Timeout(_) => "no complete answer came in time".to_owned(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            "no complete answer came in time".to_owned()
        }
        ureq::Error::Io(error) => key.scrub(&crate::model::describe(&error)),
        error => key.scrub(&error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> SessionKey {
        SessionKey::parse("sk-ant-sid01-0123456789abcdef").unwrap()
    }

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> Trouble {
        let headers = headers.iter().map(|(name, value)| {
            (ureq::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        judge(status, &headers.collect(), body.as_bytes(), &key(), Timestamp::new(1_000_000, 0))
    }

    #[test]
    fn a_status_and_its_body_tell_what_is_wrong() {
        let expired = |trouble: Trouble| match trouble {
            Trouble::Refused(why) => why.contains("expired"),
            _ => false,
        };
        let html = "<!DOCTYPE html><title>Just a moment...</title>";
        assert!(expired(judged(401, &[], "")) && expired(judged(401, &[], html)));
        assert!(expired(judged(403, &[], "{\"error\":{\"type\":\"permission_error\"}}")));
        assert!(expired(judged(403, &[("content-type", "application/json")], "")));
        for body in [html, "", "Forbidden"] {
            let Trouble::Refused(why) = judged(403, &[], body) else { panic!("{body}") };
            assert!(why.starts_with("blocked"), "{why}");
        }
        for (status, certain) in [(302, true), (404, true), (500, false), (529, false)] {
            let trouble = judged(status, &[("location", "http://elsewhere/")], "oops");
            assert_eq!(trouble.is_a_no(), certain, "{trouble:?}");
            assert!(matches!(trouble, Trouble::Failed { .. }), "{trouble:?}");
        }
    }

    #[test]
    fn a_limit_ends_when_the_answer_says_so_and_else_its_headers() {
        let until = |headers: &[(&'static str, &str)], body: &str| {
            let Trouble::Limited { until } = judged(429, headers, body) else { panic!("{body}") };
            until.map(|time| time.since_1970().as_secs())
        };
        let inner = json!({"resetsAt": 1_000_500}).to_string();
        let body = json!({"error": {"type": "rate_limit_error", "message": inner}}).to_string();
        let (unified, retry) =
            (("anthropic-ratelimit-unified-reset", "1000300"), ("retry-after", "90"));
        assert_eq!(until(&[unified, retry], &body), Some(1_000_500));
        assert_eq!(until(&[unified, retry], "slow down"), Some(1_000_300));
        assert_eq!(until(&[retry], "<html>"), Some(1_000_090));
        assert_eq!(until(&[], "{}"), None);
    }

    #[test]
    fn an_error_is_told_in_one_line_without_the_key() {
        let body = json!({"error": {"type": "api_error",
            "message": "no\nluck with sk-ant-sid01-0123456789abcdef"}});
        let Trouble::Failed { why, .. } = judged(500, &[], &body.to_string()) else { panic!() };
        assert_eq!(why, "HTTP 500: api_error: no luck with [hidden]");
        let event = |data: &str| error_event(data, &key(), Timestamp::new(0, 0));
        let overloaded = json!({"error": {"type": "overloaded_error", "message": "Overloaded"}});
        assert_eq!(
            event(&overloaded.to_string()),
            Trouble::failed("the answer ended with an error: overloaded_error: Overloaded")
        );
        assert_eq!(event("garbage"), Trouble::failed("the answer ended with an error"));
        let limited = json!({"error": {"type": "rate_limit_error", "message": "later"}});
        assert_eq!(event(&limited.to_string()), Trouble::Limited { until: None });
        let expired = json!({"error": {"type": "authentication_error"}});
        assert!(matches!(event(&expired.to_string()), Trouble::Refused(_)));
    }
}
