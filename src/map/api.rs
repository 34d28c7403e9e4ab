//! The part of the bridge's HTTP API that is needed. Nothing that a server answers is trusted (B1).

use serde::Deserialize;
use std::borrow::Cow;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::model::{Form, SessionMap};

/// How long to wait for a connection, and for a whole call.
const TO_CONNECT: Duration = Duration::from_secs(2);
pub(super) const TO_ANSWER: Duration = Duration::from_secs(5);

/// A larger answer is refused, as a larger map file is.
const LARGEST: u64 = 256 << 20;

/// An answer without a map is short.
const SHORT: u64 = 64 << 10;

/// The message of a bridge's front page.
const MESSAGE: &str = "Claude CLI Bridge API";

/// Where a bridge listens: `http://host:port`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The bridge at that port of this machine.
    pub fn local(port: u16) -> Self {
        Self(format!("http://127.0.0.1:{port}"))
    }

    /// Parses `http://host[:port]`. The error is for the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let base = text.strip_suffix('/').unwrap_or(text);
        let uri: ureq::http::Uri =
            base.parse().map_err(|error| format!("not the address of a bridge ({error})"))?;
        let is_plain = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        if uri.scheme_str() != Some("http") || !is_plain || authority.is_none() {
            return Err("not auto, off or http://host:port".to_owned());
        }
        Ok(Self(base.to_owned()))
    }

    /// Returns true if it is an address of this machine alone (B6).
    pub fn is_loopback(&self) -> bool {
        !self.loopback().0.is_empty()
    }

    /// Returns the loopback addresses that it means, none if it means another machine, and the port.
    pub(super) fn loopback(&self) -> (Vec<IpAddr>, u16) {
        let uri: ureq::http::Uri = self.0.parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = if host == "localhost" {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        } else {
            bare.parse().into_iter().filter(IpAddr::is_loopback).collect()
        };
        (addresses, uri.port_u16().unwrap_or(80))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a call did not get a bridge's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No server listens there.
    Refused,
    /// A complete answer came, but not that of a bridge that complies.
    NotThat(String),
    /// No complete answer came: a timeout, a cut, or garbage.
    Broken(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::NotThat(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

/// The result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The mapping is gone now.
    Gone,
    /// It was gone already.
    Already,
}

/// A bridge to call.
#[derive(Debug)]
pub struct Api {
    agent: ureq::Agent,
    address: Address,
}

impl Api {
    pub fn new(address: Address) -> Self {
        Self::over(address, Self::config().into())
    }

    /// Returns the bridge at that address, called by an agent that has the configuration [`Api::config`].
    pub fn over(address: Address, agent: ureq::Agent) -> Self {
        Self { agent, address }
    }

    pub fn config() -> ureq::config::Config {
        ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_connect(Some(TO_CONNECT))
            .timeout_global(Some(TO_ANSWER))
            .max_idle_connections(1)
            .user_agent(concat!("session-warden/", env!("CARGO_PKG_VERSION")))
            .build()
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Checks that a bridge answers.
    pub fn hello(&self) -> Result<(), Trouble> {
        let answer = receive(self.agent.get(format!("{}/", self.address.0)).call(), SHORT)?;
        let about: About<'_> =
            answer.json().filter(|_| answer.status == 200).ok_or_else(|| answer.not_that())?;
        match about.message.as_deref() {
            Some(MESSAGE) => Ok(()),
            _ => Err(Trouble::NotThat("what answers there is no bridge".to_owned())),
        }
    }

    /// Gets the map that the bridge holds. It must answer within that time, or that of any call if it is
    /// less.
    pub fn sessions(&self, within: Duration) -> Result<SessionMap, Trouble> {
        let call = self.agent.get(format!("{}/sessions", self.address.0)).config();
        let call = call.timeout_global(Some(within.min(TO_ANSWER))).build();
        let answer = receive(call.call(), LARGEST)?;
        if answer.status != 200 {
            return Err(answer.not_that());
        }

        let map = SessionMap::parse_within("sessions", &answer.body);
        let why = match map {
            // A bridge sends its map by model, whatever form its file has.
            Ok(map) if map.form() == Form::Today => return Ok(map),
            Ok(_) => "found chats, expected models".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Trouble::NotThat(format!("its answer is not a session map: {why}")))
    }

    /// Has the bridge remove the mapping of that chat and model. After an error, it may be gone or not.
    pub fn delete(&self, model: &str, chat: &str, within: Duration) -> Result<Deleted, Trouble> {
        let (chat, model) = (encoded(chat), encoded(model));
        let call = self.agent.delete(format!("{}/sessions/{chat}?model={model}", self.address.0));
        let call = call.config().timeout_global(Some(within.min(TO_ANSWER)));
        let answer = receive(call.build().call(), SHORT)?;

        let about: About<'_> = answer.json().unwrap_or_default();
        match (answer.status, about.status.as_deref(), about.detail.as_deref()) {
            (200, Some("deleted"), _) => Ok(Deleted::Gone),
            (404, _, Some("Session not found")) => Ok(Deleted::Already),
            _ => Err(answer.not_that()),
        }
    }
}

/// The fields of any answer but a map; others are ignored.
#[derive(Default, Deserialize)]
struct About<'a> {
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    detail: Option<Cow<'a, str>>,
}

/// Receives a complete answer, and returns the first `kept` bytes of its body; none if it is longer.
fn receive(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    kept: u64,
) -> Result<Answer, Trouble> {
    let mut answer = answer.map_err(trouble)?;
    let status = answer.status().as_u16();

    let mut reader = answer.body_mut().with_config().limit(LARGEST).reader();
    let mut body = Vec::new();
    // An answer longer than any of a bridge is not a bridge's; but only its end shows that it is
    // complete.
    let read = reader.by_ref().take(kept).read_to_end(&mut body);
    let rest = read.and_then(|_| io::copy(&mut reader, &mut io::sink()));
    let rest = rest.map_err(|error| trouble(error.into()))?;
    if rest > 0 {
        body.clear();
    }
    Ok(Answer { status, body })
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn json<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        // serde takes an array for a struct as well, and any bytes for a string that it ignores.
        let text = str::from_utf8(&self.body).ok()?;
        text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
    }

    fn not_that(&self) -> Trouble {
        Trouble::NotThat(format!(
            "the server does not answer like a bridge (HTTP status {})",
            self.status
        ))
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Trouble::Refused
        }
        ureq::Error::ConnectionFailed => Trouble::Refused,
        error => Trouble::Broken(error.to_string().replace(['\n', '\r'], " ")),
    }
}

/// Returns true if a chat id can be one segment of a path (B2).
pub fn is_addressable(chat: &str) -> bool {
    !matches!(chat, "" | "." | "..") && !chat.contains('/')
}

/// Writes every byte but letters, digits, `-`, `.`, `_` and `~` as `%XX` (RFC 3986, unreserved).
fn encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_segment_b2() {
        assert_eq!(encoded("x?model=y"), "x%3Fmodel%3Dy");
        assert_eq!(encoded("%2F é\r\n&"), "%252F%20%C3%A9%0D%0A%26");
        for chat in ["", ".", "..", "a/b", "/"] {
            assert!(!is_addressable(chat), "{chat:?}");
        }
        assert!(is_addressable("...") && is_addressable("a b"));
    }

    #[test]
    fn addresses_are_taken_or_refused_b6() {
        for (text, is_loopback) in [
            ("http://127.0.0.1:8000", true),
            ("http://127.9.9.9:8000/", true),
            ("http://localhost:9000", true),
            ("http://[::1]:8000", true),
            ("http://10.0.0.1:8000", false),
            ("http://example.org", false),
            ("http://127.0.0.1.example.org:8000", false),
        ] {
            assert_eq!(Address::parse(text).map(|a| a.is_loopback()), Ok(is_loopback), "{text}");
        }
        for text in [
            "https://127.0.0.1",
            "http://",
            "127.0.0.1:8000",
            "http://u@127.0.0.1:1",
            "http://127.0.0.1/x",
            "on",
            "",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
