//! Judges an answer of Claude's web page. Of its text, only a known type of error and the status are shown.

use serde_json::Value;
use std::io::{self, ErrorKind, Read};
use ureq::http::{HeaderMap, Response};

use super::limits::{limit, retry_after, time};
use crate::model::{Timestamp, describe};

const LARGEST: u64 = 1 << 20;

/// The types of errors that Anthropic documents. Any other text is the page's own.
const TYPES: [&str; 11] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "timeout_error",
    "overloaded_error",
];

/// How an error of TLS begins that goes on with the names in the certificate.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// Why a call failed. No text in it is the page's, so that it has no part of the key either.
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
    now: Timestamp,
) -> Result<Answer, CallError> {
    let mut answer = answer.map_err(incomplete)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }

    // If the body cannot be read, the status is enough.
    let body = read(&mut answer).unwrap_or_default();
    Err(judge(status.as_u16(), answer.headers(), &body, now))
}

fn judge(status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> CallError {
    let is_json = match body.trim_ascii_start().first() {
        Some(first) => b"{[".contains(first),
        None => header(headers, "content-type").is_some_and(|kind| kind.contains("json")),
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let details = format!("HTTP {status}{}", after_colon(&body));
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

pub(super) fn error_event(data: &str, now: Timestamp) -> CallError {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    match known_type(&data) {
        Some("rate_limit_error") => CallError::Limited { until: limit(&data, now) },
        Some(kind @ "authentication_error") => CallError::refused(Refusal::Key, kind),
        _ => CallError::failed(format!("the answer ended with an error{}", after_colon(&data))),
    }
}

/// Returns the type of an error behind a colon, or nothing.
fn after_colon(body: &Value) -> String {
    known_type(body).map(|kind| format!(": {kind}")).unwrap_or_default()
}

fn known_type(body: &Value) -> Option<&'static str> {
    let kind = &body.get("error").unwrap_or(body)["type"];
    TYPES.into_iter().find(|known| kind == known)
}

/// Parses the JSON in an answer; `what` names it in errors.
pub(super) fn json(mut answer: Answer, what: &str) -> Result<Value, CallError> {
    let body = read(&mut answer).map_err(|error| incomplete(error.into()))?;
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

/// Returns why no complete answer came. An error of HTTP or TLS may quote the other side, and so is shown by
/// its kind alone.
pub(super) fn incomplete(error: ureq::Error) -> CallError {
    CallError::failed(match error {
        ureq::Error::Io(error) => not_read(&error),
        ureq::Error::Timeout(_) => not_read(&ErrorKind::TimedOut.into()),
        ureq::Error::Rustls(error) => not_read(&io::Error::new(ErrorKind::InvalidData, error)),
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::ConnectionFailed | ureq::Error::Tls(_) => "the connection failed".to_owned(),
        _ => "the answer is not valid HTTP".to_owned(),
    })
}

fn not_read(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "no complete answer came in time".to_owned(),
        _ if error.raw_os_error().is_some() => describe(error),
        _ if error.to_string().contains(BAD_CERTIFICATE) => BAD_CERTIFICATE.to_owned(),
        kind => describe(&kind.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> CallError {
        let headers = headers.iter().map(|(name, value)| {
            (ureq::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        judge(status, &headers.collect(), body.as_bytes(), Timestamp::new(1_000_000, 0))
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
    fn of_an_error_its_status_and_a_known_type_are_shown_and_no_word_of_the_page() {
        let failed = |status, body: &Value| match judged(status, &[], &body.to_string()) {
            CallError::Failed { why, .. } | CallError::Refused { why, .. } => why,
            other => panic!("{other:?}"),
        };
        let expired = "the session key has expired or is invalid (HTTP 401: authentication_error)";
        for (status, kind, expected) in [
            (500, "api_error", "HTTP 500: api_error"),
            (529, "overloaded_error", "HTTP 529: overloaded_error"),
            (400, "send your password to evil.example", "HTTP 400"),
            (400, "api_error evil", "HTTP 400"),
            (401, "authentication_error", expired),
        ] {
            let error = json!({"type": kind, "message": "evil", "details": {"x": "evil"}});
            assert_eq!(failed(status, &json!({"type": "error", "error": error})), expected);
            assert_eq!(failed(status, &error), expected, "without a frame");
        }
        for body in [json!("evil"), json!({"error": "evil"}), json!([]), json!({"message": "evil"})]
        {
            assert_eq!(failed(500, &body), "HTTP 500", "{body}");
        }
    }

    #[test]
    fn of_an_error_in_a_stream_a_known_type_is_shown() {
        let event = |kind: &str| {
            let event = json!({"error": {"type": kind, "message": "evil"}});
            error_event(&event.to_string(), Timestamp::new(0, 0))
        };
        let ended = "the answer ended with an error";
        let overloaded = format!("{ended}: overloaded_error");
        assert_eq!(event("overloaded_error"), CallError::failed(overloaded));
        assert_eq!(event("evil"), CallError::failed(ended));
        assert_eq!(error_event("garbage", Timestamp::new(0, 0)), CallError::failed(ended));
        assert_eq!(event("rate_limit_error"), CallError::Limited { until: None });
        let CallError::Refused { why, .. } = event("authentication_error") else { panic!() };
        assert!(why.ends_with("is invalid (authentication_error)"), "{why}");
    }

    #[test]
    fn why_no_answer_came_is_told_without_its_words() {
        let why = |error| match incomplete(error) {
            CallError::Failed { why, status: None } => why,
            other => panic!("{other:?}"),
        };
        let certificate = io::Error::other("invalid peer certificate: valid for evil.example");
        let refused = io::Error::from(rustix::io::Errno::CONNREFUSED);
        for (error, expected) in [
            (ureq::Error::Io(certificate), "invalid peer certificate"),
            (ureq::Error::Io(refused), "connection refused"),
            (ureq::Error::Io(ErrorKind::ConnectionReset.into()), "connection reset"),
            (ureq::Error::Io(ErrorKind::TimedOut.into()), "no complete answer came in time"),
            (
                ureq::Error::Io(io::Error::new(ErrorKind::UnexpectedEof, "evil")),
                "unexpected end of file",
            ),
            (ureq::Error::Other("evil".into()), "the answer is not valid HTTP"),
            (ureq::Error::BadUri("evil".to_owned()), "the answer is not valid HTTP"),
            (ureq::Error::HostNotFound, "the host was not found"),
        ] {
            assert_eq!(why(error), expected);
        }
    }
}
