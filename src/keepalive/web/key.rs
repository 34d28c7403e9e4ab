//! The session key: where it is found, and how it is kept out of everything that is shown.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::keepalive::redact::HIDDEN;
use crate::model::describe;
use crate::os::folder::Links;
use crate::os::reading;
use crate::process;

/// The name of a service's credential that holds the key (`LoadCredential=` of systemd).
const CREDENTIAL: &str = "session-key";

/// A longer text is not a key; they have about 120 characters.
const LONGEST: usize = 4096;

/// How the keys begin that the page gives out.
const BEGINNING: &str = "sk-ant-sid";

/// The value of the page's cookie `sessionKey`. Only the page gets to see it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey(String);

/// Shows nothing of the key, whatever value it is part of.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({HIDDEN})")
    }
}

impl SessionKey {
    /// Parses a key with white space around it. The error shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > LONGEST {
            "it is longer than a session key can be"
        } else if text.lines().nth(1).is_some() {
            "it has more than one line"
        } else if text.starts_with("sessionKey=") {
            "it begins with sessionKey=; the key is only what follows"
        } else if text.starts_with(['\'', '"', '`']) {
            "it has quotes around it"
        } else if !text.chars().all(|c| c.is_ascii_graphic() && !"\",;\\".contains(c)) {
            // The value of a cookie has no others (RFC 6265).
            "it has characters that no session key has"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(why.to_owned())
    }

    /// Returns true if a text from anywhere may contain a key.
    pub fn may_be_in(text: &str) -> bool {
        text.contains("sk-ant-")
    }

    /// Returns the text without words that may be a key typed by mistake.
    pub fn hidden_in(text: &str) -> Cow<'_, str> {
        if !Self::may_be_in(text) {
            return text.into();
        }
        let parts = text.split_inclusive(ends_word).map(|part| {
            let word = part.trim_end_matches(ends_word);
            if Self::may_be_in(word) { part.replacen(word, HIDDEN, 1) } else { part.to_owned() }
        });
        parts.collect::<String>().into()
    }

    /// Returns the content of a key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }

    /// Returns true if it looks like the keys that the page gives out.
    pub fn looks_right(&self) -> bool {
        self.0.starts_with(BEGINNING)
    }

    /// Returns 16 hex digits, which differ for another key.
    pub fn fingerprint(&self) -> String {
        // The standard library may change its hash one day: then a key looks like a new one, once.
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || "'\"`".contains(letter)
}

#[cfg(feature = "web-ping")]
impl SessionKey {
    /// Returns the header by which the page knows its user.
    pub(super) fn cookie(&self) -> String {
        format!("sessionKey={}", self.0)
    }
}

/// The sources of a key, the first of which counts. It never comes from arguments, which every user of
/// the machine can read.
#[derive(Debug, Clone, Default)]
pub struct KeySources {
    /// The folder of a service's credentials, `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    pub variable: Option<Variable>,
    /// The file of a key if no file is named.
    pub usual: PathBuf,
}

/// The value of a variable, which is not shown.
#[derive(Clone)]
pub struct Variable(pub OsString);

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({HIDDEN})")
    }
}

impl KeySources {
    /// Returns the variable that is set and takes precedence over the usual file.
    pub fn before_usual(&self) -> Option<&'static str> {
        let credential = self.credential().map(|_| "CREDENTIALS_DIRECTORY");
        credential.or_else(|| self.variable.as_ref().map(|_| "SESSION_KEY"))
    }

    fn credential(&self) -> Option<PathBuf> {
        let path = self.credentials.as_ref()?.join(CREDENTIAL);
        // If it cannot be seen, that is reported, and no other key is used instead.
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            _ => Some(path),
        }
    }

    /// Returns the key and its source: the file `named`, if there is one, and nothing else then. The
    /// error is one line that shows nothing of a key.
    pub fn find(&self, named: Option<&Path>) -> Result<(SessionKey, String), String> {
        if let Some(path) = named {
            return from_file(path, Guard::Private);
        }
        // A service manager guards credentials in its own way: systemd by an ACL.
        if let Some(path) = self.credential() {
            return from_file(&path, Guard::Others);
        }
        if let Some(Variable(value)) = &self.variable {
            let text = value.to_str().ok_or("SESSION_KEY is not UTF-8")?;
            let key = SessionKey::parse(text)
                .map_err(|why| format!("SESSION_KEY is not a session key: {why}"))?;
            return Ok((key, "SESSION_KEY".to_owned()));
        }
        if self.usual.symlink_metadata().is_ok() {
            return from_file(&self.usual, Guard::Private);
        }

        Err("there is no session key; store one with session-warden keepalive set-key".to_owned())
    }
}

/// Who makes sure that no other user can read a key file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Its own mode and owner.
    Private,
    /// The service manager that put it there.
    Others,
}

fn from_file(path: &Path, guard: Guard) -> Result<(SessionKey, String), String> {
    let shown = path.display();
    let text = read(path, guard).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("the key file {shown} does not exist"),
        _ => format!("cannot read the session key from {shown}: {}", describe(&error)),
    })?;
    let key = SessionKey::parse(&text)
        .map_err(|why| format!("{shown} does not hold a session key: {why}"))?;
    Ok((key, shown.to_string()))
}

fn read(path: &Path, guard: Guard) -> io::Result<String> {
    // A link is followed, since secrets are mounted as links; the mode and owner of the file itself count.
    let file = reading::open(path, Links::Follow)?;
    let about = file.metadata()?;
    if guard == Guard::Private && about.mode() & 0o077 != 0 {
        let mode = about.mode() & 0o7777;
        let why = format!("other users can read it (mode {mode:04o}); run chmod 600 on it");
        return Err(io::Error::other(why));
    }
    if guard == Guard::Private && about.uid() != process::user() && about.uid() != 0 {
        let why = format!("it belongs to user {}, not to you or root", about.uid());
        return Err(io::Error::other(why));
    }

    let mut text = String::new();
    // A little more than the longest key.
    file.take(LONGEST as u64 + 3).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-sid01-AbCdEfGh-IjKl_MnOpQrStUv";

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for (text, says) in [
            ("", "empty"),
            (" \n", "empty"),
            ("sk-ant-sid01-a\nsecond", "more than one line"),
            ("sk-ant sid01", "characters"),
            ("sk-ant-sid01-a;b=c", "characters"),
            ("sk-ant-sid01-\u{7}bell", "characters"),
            ("sk-ant-sid01-\u{e9}", "characters"),
            ("sessionKey=sk-ant-sid01-a", "only what follows"),
            ("'sk-ant-sid01-a'", "quotes"),
            ("\"sk-ant-sid01-a\"", "quotes"),
            (&"k".repeat(5000), "longer"),
        ] {
            let why = SessionKey::parse(text).unwrap_err();
            assert!(why.contains(says) && !why.contains("sk-ant"), "{text:?}: {why}");
        }
        let key = SessionKey::parse(&format!("  {KEY}\r\n")).unwrap();
        #[cfg(feature = "web-ping")]
        assert_eq!(key.cookie(), format!("sessionKey={KEY}"));
        assert!(key.looks_right());
        assert!(!SessionKey::parse("sk-ant-api03-x").unwrap().looks_right());
    }

    #[test]
    fn what_may_be_a_key_is_hidden_in_what_was_typed() {
        for (text, expected) in [
            ("no job \"web\"", "no job \"web\""),
            ("no job \"sk-ant-sid01-x\"\n", "no job \"[hidden]\"\n"),
            ("'--key=sk-ant-x' found, sk-ant-y", "'[hidden]' found, [hidden]"),
        ] {
            assert_eq!(SessionKey::hidden_in(text), expected);
        }
    }

    #[test]
    fn keys_differ_by_their_fingerprint_and_are_not_shown() {
        let key = SessionKey::parse(KEY).unwrap();
        let other = SessionKey::parse(&KEY.replace('v', "w")).unwrap();
        assert_ne!(key.fingerprint(), other.fingerprint());
        assert_eq!(key.fingerprint(), key.clone().fingerprint());
        let sources = KeySources { variable: Some(Variable(KEY.into())), ..Default::default() };
        assert_eq!(format!("{key:?}"), "SessionKey([hidden])");
        assert!(!format!("{sources:?}").contains("AbCd"), "{sources:?}");
    }
}
