//! Judges an answer of Claude's web page. Its words are shown through [`SessionKey::redact`] alone.

use serde_json::Value;
use std::io::{self, Read};
use ureq::http::{HeaderMap, Response};

use super::key::SessionKey;
use super::limits::{limit, retry_after, time};
use crate::model::{Timestamp, describe};

const LARGEST: u64 = 1 << 20;

/// Why a call failed. No text in it has any part of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// A signal asked to stop.
    Stopped,
    /// The key is not accepted, or the page is closed to us: trying again would make it worse.
    Refused { why: String, refusal: Refusal },
    /// A usage limit is reached, until that time if it is known.
    Limited { until: Option<Timestamp> },
    /// Anything else, with the status of the answer if a complete one came.
    Failed { why: String, status: Option<u16> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key (HTTP 401).
    Key,
    /// The key, or access to one conversation (HTTP 403 with JSON).
    Forbidden,
    /// Our program as a whole (HTTP 403 with a web page).
    Blocked,
}

impl CallError {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), status: None }
    }

    fn refused(refusal: Refusal, details: &str) -> Self {
        let why = format!("the session key has expired or is invalid ({details})");
        Self::Refused { why, refusal }
    }

    /// Returns true if the call has certainly had no effect, since the page refused it. Without an
    /// answer, and after an error of the page's own, that is unknown.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Stopped => false,
            Self::Refused { .. } | Self::Limited { .. } => true,
            Self::Failed { status, .. } => {
                status.is_some_and(|status| (300..=499).contains(&status))
            }
        }
    }
}

pub(super) type Answer = Response<ureq::Body>;

pub(super) fn successful(
    answer: Result<Answer, ureq::Error>,
    key: &SessionKey,
    now: Timestamp,
) -> Result<Answer, CallError> {
    let mut answer = answer.map_err(|error| incomplete(error, key))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }

    // If the body cannot be read, the status is enough.
    let body = read(&mut answer).unwrap_or_default();
    Err(judge(status.as_u16(), answer.headers(), &body, key, now))
}

fn judge(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    key: &SessionKey,
    now: Timestamp,
) -> CallError {
    let is_json = match body.trim_ascii_start().first() {
        Some(first) => b"{[".contains(first),
        None => header(headers, "content-type").is_some_and(|kind| kind.contains("json")),
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let details = format!("HTTP {status}{}", after_colon(&body, key));
    match status {
        401 => CallError::refused(Refusal::Key, &details),
        403 if is_json => CallError::refused(Refusal::Forbidden, &details),
        403 => CallError::Refused {
            why: "blocked (HTTP 403 with a web page, as a bot check has); it is not worked around"
                .to_owned(),
            refusal: Refusal::Blocked,
        },
        429 => CallError::Limited {
            until: limit(&body, now).or_else(|| limit_in_headers(headers, now)),
        },
        300..=399 => CallError::Failed {
            why: format!("a redirect (HTTP {status}), which is not followed with the key"),
            status: Some(status),
        },
        _ => CallError::Failed { why: details, status: Some(status) },
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn limit_in_headers(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let unified = header(headers, "anthropic-ratelimit-unified-reset");
    unified
        .and_then(|text| time(&Value::String(text.to_owned()), now))
        .or_else(|| retry_after(header(headers, "retry-after")?, now))
}

pub(super) fn error_event(data: &str, key: &SessionKey, now: Timestamp) -> CallError {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    match data["error"]["type"].as_str() {
        Some("rate_limit_error") => CallError::Limited { until: limit(&data, now) },
        Some("authentication_error") => {
            CallError::refused(Refusal::Key, &message(&data, key).unwrap_or_default())
        }
        _ => {
            let details = after_colon(&data, key);
            CallError::failed(format!("the answer ended with an error{details}"))
        }
    }
}

/// Returns the message of an error behind a colon, or nothing.
fn after_colon(body: &Value, key: &SessionKey) -> String {
    message(body, key).map(|message| format!(": {message}")).unwrap_or_default()
}

/// Returns the type and the message of an error, in one line.
fn message(body: &Value, key: &SessionKey) -> Option<String> {
    let error = body.get("error").unwrap_or(body);
    // That it is an error is known.
    let kind = error["type"].as_str().filter(|kind| !["", "error"].contains(kind));
    // A message that is JSON is for programs.
    let text = error["message"].as_str().or(error.as_str());
    let text = text.filter(|text| !text.is_empty() && !text.starts_with('{'));
    match (kind, text) {
        (Some(kind), Some(text)) => Some(key.redact(&format!("{kind}: {text}"))),
        (one, other) => one.or(other).map(|text| key.redact(text)),
    }
}

/// Parses the JSON in an answer; `what` names it in errors.
pub(super) fn json(mut answer: Answer, what: &str, key: &SessionKey) -> Result<Value, CallError> {
    let body = read(&mut answer).map_err(|error| incomplete(error.into(), key))?;
    if body.len() as u64 > LARGEST {
        return Err(CallError::failed(format!("{what}: the answer is larger than 1 MiB")));
    }
    // serde's message would show parts of it.
    serde_json::from_slice(&body)
        .map_err(|_| CallError::failed(format!("{what}: the answer is not JSON")))
}

/// Reads the body, or one byte more than it may have.
fn read(answer: &mut Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let reader = answer.body_mut().with_config().limit(u64::MAX).reader();
    reader.take(LARGEST + 1).read_to_end(&mut body)?;
    Ok(body)
}

/// Returns why no complete answer came.
pub(super) fn incomplete(error: ureq::Error, key: &SessionKey) -> CallError {
    CallError::failed(match error {
        ureq::Error::Timeout(_) => "no complete answer came in time".to_owned(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            "no complete answer came in time".to_owned()
        }
        ureq::Error::Io(error) => key.redact(&describe(&error)),
        error => key.redact(&error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> SessionKey {
        SessionKey::parse("sk-ant-sid01-0123456789abcdef").unwrap()
    }

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> CallError {
        let headers = headers.iter().map(|(name, value)| {
            (ureq::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        judge(status, &headers.collect(), body.as_bytes(), &key(), Timestamp::new(1_000_000, 0))
    }

    #[test]
    fn a_status_and_its_body_tell_what_is_wrong() {
        let expired = |error: CallError| match error {
            CallError::Refused { why, .. } => why.contains("expired"),
            _ => false,
        };
        let html = "<!DOCTYPE html><title>Just a moment...</title>";
        assert!(expired(judged(401, &[], "")) && expired(judged(401, &[], html)));
        assert!(expired(judged(403, &[], "{\"error\":{\"type\":\"permission_error\"}}")));
        assert!(expired(judged(403, &[("content-type", "application/json")], "")));
        for body in [html, "", "Forbidden"] {
            let CallError::Refused { why, .. } = judged(403, &[], body) else { panic!("{body}") };
            assert!(why.starts_with("blocked"), "{why}");
        }
        for (status, certain) in [(302, true), (404, true), (500, false), (529, false)] {
            let error = judged(status, &[("location", "http://elsewhere/")], "oops");
            assert_eq!(error.is_certain(), certain, "{error:?}");
            assert!(matches!(error, CallError::Failed { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_limit_ends_when_the_answer_says_so_and_else_its_headers() {
        let until = |headers: &[(&'static str, &str)], body: &str| {
            let CallError::Limited { until } = judged(429, headers, body) else { panic!("{body}") };
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
        let CallError::Failed { why, .. } = judged(500, &[], &body.to_string()) else { panic!() };
        assert_eq!(why, "HTTP 500: api_error: no luck with [hidden]");
        let event = |data: &str| error_event(data, &key(), Timestamp::new(0, 0));
        let overloaded = json!({"error": {"type": "overloaded_error", "message": "Overloaded"}});
        assert_eq!(
            event(&overloaded.to_string()),
            CallError::failed("the answer ended with an error: overloaded_error: Overloaded")
        );
        assert_eq!(event("garbage"), CallError::failed("the answer ended with an error"));
        let limited = json!({"error": {"type": "rate_limit_error", "message": "later"}});
        assert_eq!(event(&limited.to_string()), CallError::Limited { until: None });
        let expired = json!({"error": {"type": "authentication_error"}});
        assert!(matches!(event(&expired.to_string()), CallError::Refused { .. }));
    }
}
