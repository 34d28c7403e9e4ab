//! The login in a CLI's credential file, read so that no secret is kept: of an access token its presence,
//! its expiry and a fingerprint; of a refresh token its presence.

use serde::Deserialize;
use serde::de::Error;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::token::{Presence, Token};
use crate::keepalive::job::Cli;
use crate::model::Timestamp;

/// How long a login of Codex lasts after its last renewal if its token has no expiry: the CLI renews one
/// that is 8 days old.
const CODEX_LASTS: Duration = Duration::from_secs(8 * 24 * 60 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) has_access: bool,
    /// True if there is a refresh token, by which its CLI can renew it.
    pub(super) can_renew: bool,
    /// True if it is an API key alone.
    pub(super) is_key: bool,
    /// The expiry of the access token, if it is known.
    pub(super) expires: Option<Timestamp>,
    /// A number that differs for another login.
    pub(super) fingerprint: u64,
}

/// Parses the text of that CLI's credential file; nothing if it has no login.
pub(super) fn parse(cli: Cli, text: &[u8]) -> serde_json::Result<Option<Login>> {
    // serde takes a list for a struct as well. A text shorter than an object gives an error of its end.
    if text.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(serde_json::Error::custom("not an object"));
    }
    Ok(match cli {
        Cli::Claude => serde_json::from_slice::<Claude>(text)?.login(),
        Cli::Codex => serde_json::from_slice::<Codex>(text)?.login(),
        Cli::Gemini => serde_json::from_slice::<Gemini>(text)?.login(),
    })
}

/// `~/.claude/.credentials.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claude {
    claude_ai_oauth: Option<ClaudeLogin>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaudeLogin {
    access_token: Token,
    refresh_token: Token,
    expires_at: Value,
}

impl Claude {
    fn login(self) -> Option<Login> {
        let found = self.claude_ai_oauth?;
        Login::new(found.access_token, found.refresh_token, milliseconds(&found.expires_at))
    }
}

/// `~/.codex/auth.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Codex {
    #[serde(rename = "OPENAI_API_KEY")]
    key: Token,
    tokens: Option<CodexTokens>,
    last_refresh: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CodexTokens {
    access_token: Token,
    refresh_token: Token,
}

impl Codex {
    fn login(self) -> Option<Login> {
        let CodexTokens { access_token, refresh_token } = self.tokens.unwrap_or_default();
        let renewed = self.last_refresh.as_str().and_then(Timestamp::parse);
        let expires = access_token.expires.or(renewed.map(|time| time.after(CODEX_LASTS)));
        let login = Login::new(access_token, refresh_token, expires);
        if self.key.presence != Presence::Present
            || login.is_some_and(|login| login.has_access || login.can_renew)
        {
            return login;
        }
        let login = Login::new(self.key, Token::default(), None)?;
        Some(Login { is_key: true, ..login })
    }
}

/// `~/.gemini/oauth_creds.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Gemini {
    access_token: Token,
    refresh_token: Token,
    expiry_date: Value,
}

impl Gemini {
    fn login(self) -> Option<Login> {
        Login::new(self.access_token, self.refresh_token, milliseconds(&self.expiry_date))
    }
}

impl Login {
    /// Returns nothing if neither token is a text, be it an empty one.
    fn new(access: Token, refresh: Token, expires: Option<Timestamp>) -> Option<Self> {
        if (access.presence, refresh.presence) == (Presence::Absent, Presence::Absent) {
            return None;
        }

        // The standard library may change its hash one day: then a login looks like a new one, once.
        let mut hasher = DefaultHasher::new();
        (access.fingerprint, expires).hash(&mut hasher);
        Some(Self {
            has_access: access.presence == Presence::Present,
            can_renew: refresh.presence == Presence::Present,
            is_key: false,
            expires,
            fingerprint: hasher.finish(),
        })
    }
}

fn milliseconds(value: &Value) -> Option<Timestamp> {
    let whole = value.as_u64().map(Duration::from_millis);
    let span = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()? / 1000.0).ok())?;
    Some(Timestamp::new(0, 0).after(span))
}
