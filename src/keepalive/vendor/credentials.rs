//! What the CLIs' credential files say of a login, read so that no secret is kept: of an access token
//! only whether there is one, when it expires and a number that tells it from another one; of a
//! refresh token only whether there is one.

use serde::Deserialize;
use serde::de::Error;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::token::{Presence, Token};
use crate::keepalive::job::Cli;
use crate::model::Timestamp;

/// How long a login of Codex lasts after its last renewal where its token does not tell: the CLI
/// renews one that is 8 days old.
const CODEX_LASTS: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// A login, as its file shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Login {
    /// Whether there is an access token.
    pub(super) has_access: bool,
    /// Whether there is a refresh token, by which its CLI can renew it.
    pub(super) can_renew: bool,
    /// Whether it is by an API key alone.
    pub(super) is_key: bool,
    /// When the access token expires, as far as that is told.
    pub(super) expires: Option<Timestamp>,
    /// A number that is another one for another login.
    pub(super) fingerprint: u64,
}

/// The login in the text of that CLI's credential file; nothing where it holds none.
///
/// # Errors
/// What serde says of a text that is not of the form that is known.
pub(super) fn parse(cli: Cli, text: &[u8]) -> serde_json::Result<Option<Login>> {
    // serde takes a list for a struct as well, by the order of fields. Anything shorter than an
    // object is told as a text that ends early.
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
    refresh_token: Presence,
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
    refresh_token: Presence,
}

impl Codex {
    fn login(self) -> Option<Login> {
        let CodexTokens { access_token, refresh_token } = self.tokens.unwrap_or_default();
        let renewed = self.last_refresh.as_str().and_then(Timestamp::parse);
        let expires = access_token.expires.or(renewed.map(|time| time.after(CODEX_LASTS)));
        let login = Login::new(access_token, refresh_token, expires);
        if self.key.presence != Presence::There
            || login.is_some_and(|login| login.has_access || login.can_renew)
        {
            return login;
        }
        let login = Login::new(self.key, Presence::Absent, None)?;
        Some(Login { is_key: true, ..login })
    }
}

/// `~/.gemini/oauth_creds.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Gemini {
    access_token: Token,
    refresh_token: Presence,
    expiry_date: Value,
}

impl Gemini {
    fn login(self) -> Option<Login> {
        Login::new(self.access_token, self.refresh_token, milliseconds(&self.expiry_date))
    }
}

impl Login {
    /// Nothing where neither token is a text, be it an empty one.
    fn new(access: Token, refresh: Presence, expires: Option<Timestamp>) -> Option<Self> {
        if (access.presence, refresh) == (Presence::Absent, Presence::Absent) {
            return None;
        }
        // The standard library may hash otherwise one day: then a login looks like a new one, once.
        let mut hasher = DefaultHasher::new();
        (access.fingerprint, expires).hash(&mut hasher);
        Some(Self {
            has_access: access.presence == Presence::There,
            can_renew: refresh == Presence::There,
            is_key: false,
            expires,
            fingerprint: hasher.finish(),
        })
    }
}

/// A time in milliseconds since 1970.
fn milliseconds(value: &Value) -> Option<Timestamp> {
    let whole = value.as_u64().map(Duration::from_millis);
    let span = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()? / 1000.0).ok())?;
    Some(Timestamp::new(0, 0).after(span))
}
