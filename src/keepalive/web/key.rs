//! The session key: where it is found, and how it is kept out of everything that is shown.

use rustix::fs::OFlags;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(feature = "web-ping")]
use super::spelling::{bare, letters, unnumbered};
use crate::keepalive::vendor::scrub::HIDDEN;
#[cfg(feature = "web-ping")]
use crate::keepalive::vendor::scrub::scrub;
use crate::model::describe;
use crate::process;

/// The name of a service's credential that holds the key (`LoadCredential=` of systemd).
const CREDENTIAL: &str = "session-key";

/// A longer text is no key; they have about 120 characters.
const LONGEST: usize = 4096;

/// How keys begin that the page gives out.
const BEGINNING: &str = "sk-ant-sid";

/// As many characters in a row tell something of a key.
#[cfg(feature = "web-ping")]
const TELLING: usize = 8;

/// The value of the page's cookie `sessionKey`. It is shown to nobody but the page.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey(String);

/// Nothing of it, wherever it is in.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({HIDDEN})")
    }
}

impl SessionKey {
    /// The key that `text` is, without the white space around it. The error says what is wrong, and
    /// nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // RFC 6265: what the value of a cookie is made of.
        let fits = |letter: char| letter.is_ascii_graphic() && !"\",;\\".contains(letter);
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
        } else if !text.chars().all(fits) {
            "it has characters that no session key has"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(why.to_owned())
    }

    /// Whether that text, which may come from anywhere, may hold a key.
    pub fn may_be_in(text: &str) -> bool {
        text.contains("sk-ant-")
    }

    /// The text without what may be a key, as it may have been typed by mistake.
    pub fn hidden_in(text: &str) -> Cow<'_, str> {
        if !Self::may_be_in(text) {
            return text.into();
        }
        let ends = |letter: char| letter.is_whitespace() || "'\"`".contains(letter);
        let parts = text.split_inclusive(ends).map(|part| {
            let bare = part.trim_end_matches(ends);
            if Self::may_be_in(bare) { part.replacen(bare, HIDDEN, 1) } else { part.to_owned() }
        });
        parts.collect::<String>().into()
    }

    /// The key as it stands in a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }

    /// Whether it looks like the keys that the page gives out.
    pub fn looks_right(&self) -> bool {
        self.0.starts_with(BEGINNING)
    }

    /// 16 hex digits that are others for another key.
    pub fn fingerprint(&self) -> String {
        // The standard library may hash otherwise one day: then a key looks like a new one, once.
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

#[cfg(feature = "web-ping")]
impl SessionKey {
    /// The header by which the page knows its user.
    pub(super) fn cookie(&self) -> String {
        format!("sessionKey={}", self.0)
    }

    /// A line of what somebody else said, without the key, any part of it, and whatever looks like a
    /// token. Everything that comes from the page is shown through this, and nothing by another way.
    pub(super) fn scrub(&self, text: &str) -> String {
        let letters = letters(text);
        let plain: Vec<u8> =
            letters.iter().map(|(letter, _)| letter.to_ascii_lowercase()).collect();
        let key = self.0.to_ascii_lowercase();
        let telling = TELLING.min(key.len());
        let parts: Vec<&[u8]> = key.as_bytes().windows(telling).collect();
        let mut clean = String::new();
        // Keys are ASCII, so that what is found begins and ends between characters.
        let (mut shown, mut hidden_to) = (0, 0);
        for (at, part) in plain.windows(telling).enumerate() {
            if !parts.contains(&part) {
                continue;
            }
            let (from, to) = (letters[at].1.start, letters[at + telling - 1].1.end);
            if at >= hidden_to {
                clean.push_str(text.get(shown..from).unwrap_or_default());
                clean.push_str(HIDDEN);
            }
            (shown, hidden_to) = (to, at + telling);
        }
        clean.push_str(text.get(shown..).unwrap_or_default());
        if self.is_spelt_in(&clean) { HIDDEN.to_owned() } else { scrub(&clean) }
    }

    /// Whether a part of the key is in there however it is written: with something between its letters, as
    /// entities of HTML, by number, or in wide letters. Then nothing of the text is shown.
    fn is_spelt_in(&self, text: &str) -> bool {
        let key = bare(&self.0);
        let telling = TELLING.min(key.len());
        let said = bare(&unnumbered(text));
        // Both are ASCII.
        telling > 0 && (telling..=key.len()).any(|end| said.contains(&key[end - telling..end]))
    }
}

/// Where a key may come from: the first of these that there is. It never comes from arguments, which
/// every user of the machine can read.
#[derive(Debug, Clone, Default)]
pub struct KeySources {
    /// The folder of a service's credentials, `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    /// The variable `SESSION_KEY`.
    pub variable: Option<Variable>,
    /// Where one lies if no file is named.
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
    /// The name of a variable by which a key is found before the usual file, where one is set.
    pub fn before_usual(&self) -> Option<&'static str> {
        let credential = self.credential().map(|_| "CREDENTIALS_DIRECTORY");
        credential.or_else(|| self.variable.as_ref().map(|_| "SESSION_KEY"))
    }

    fn credential(&self) -> Option<PathBuf> {
        let path = self.credentials.as_ref()?.join(CREDENTIAL);
        // One that cannot be seen is told of, and no other key is taken in its place.
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            _ => Some(path),
        }
    }

    /// The key and where it was found: in `named`, if that is said, and nowhere else then.
    ///
    /// # Errors
    /// Why there is none, in one line that holds nothing of it.
    pub fn find(&self, named: Option<&Path>) -> Result<(SessionKey, String), String> {
        if let Some(path) = named {
            return from_file(path, Guard::Private);
        }
        // Whoever hands credentials to services guards them in its own way: systemd by an ACL.
        if let Some(path) = self.credential() {
            return from_file(&path, Guard::Others);
        }
        if let Some(Variable(value)) = &self.variable {
            let text = value.to_str().ok_or("SESSION_KEY is not UTF-8")?;
            let key = SessionKey::parse(text);
            return Ok((
                key.map_err(|why| format!("SESSION_KEY is not a session key: {why}"))?,
                "SESSION_KEY".to_owned(),
            ));
        }
        if self.usual.symlink_metadata().is_ok() {
            return from_file(&self.usual, Guard::Private);
        }
        Err("there is no session key; store one with session-warden keepalive set-key".to_owned())
    }
}

/// Who sees to it that nobody else reads a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Its own mode and owner.
    Private,
    /// Whoever has put it there.
    Others,
}

fn from_file(path: &Path, guard: Guard) -> Result<(SessionKey, String), String> {
    let shown = path.display();
    let text = read(path, guard).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("the key file {shown} does not exist"),
        _ => format!("cannot read the session key from {shown}: {}", describe(&error)),
    })?;
    let key = SessionKey::parse(&text);
    Ok((
        key.map_err(|why| format!("{shown} does not hold a session key: {why}"))?,
        shown.to_string(),
    ))
}

fn read(path: &Path, guard: Guard) -> io::Result<String> {
    // NONBLOCK: a FIFO must not make the run wait. A link is followed, since whoever mounts secrets
    // lays them so; what counts is the file that is opened.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if guard == Guard::Private {
        if about.mode() & 0o077 != 0 {
            let mode = about.mode() & 0o7777;
            return Err(io::Error::other(format!(
                "other users can read it (mode {mode:04o}); run chmod 600 on it"
            )));
        }
        if about.uid() != process::user() && about.uid() != 0 {
            return Err(io::Error::other(format!(
                "it belongs to user {}, not to you or root",
                about.uid()
            )));
        }
    }
    let mut text = String::new();
    // One more than there may be.
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    file.take(most + 3).read_to_string(&mut text)?;
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

    #[cfg(feature = "web-ping")]
    #[test]
    fn nothing_of_the_key_is_left_in_what_is_shown() {
        let key = SessionKey::parse(KEY).unwrap();
        let bytes = |form: fn(u8) -> String| KEY.bytes().map(form).collect::<String>();
        for echo in [
            KEY.to_owned(),
            KEY.to_lowercase(),
            KEY.to_uppercase(),
            KEY.replace('-', "%2D").replace('_', "%5f"),
            KEY.replace('-', "\\u002d").replace('_', "\\u005F"),
            KEY[10..30].to_owned(),
            KEY[13..21].to_owned(),
            format!("x{KEY}y"),
            format!("\u{e9}{KEY}\u{e9}"),
            bytes(|byte| format!("%{byte:02X}")),
            bytes(|byte| format!("{byte:02x}")),
        ] {
            let said = key.scrub(&format!("the key {echo} is bad, é"));
            assert!(said.starts_with("the key ") && said.ends_with(" is bad, é"), "{said}");
            let left = said.to_lowercase();
            for part in ["abcd", "efgh", "ijkl", "mnop", "qrst", "7273", "%72%73"] {
                assert!(!left.contains(part), "{part} of {echo} is left in {said}");
            }
        }
        assert_eq!(key.scrub("Overloaded, try again"), "Overloaded, try again");
    }

    #[cfg(feature = "web-ping")]
    #[test]
    fn a_key_is_not_shown_however_it_is_spelt() {
        let key = SessionKey::parse(KEY).unwrap();
        let letters = |form: fn(char) -> String| KEY.chars().map(form).collect::<String>();
        for echo in [
            letters(|letter| format!("&#{};", u32::from(letter))),
            letters(|letter| format!("&#x{:x};", u32::from(letter))),
            letters(|letter| format!("\\u{{{:x}}}", u32::from(letter))),
            letters(|letter| format!("\\{:o}", u32::from(letter))),
            letters(|letter| format!("{letter} ")),
            letters(|letter| format!("{letter}\u{200b}")),
            letters(|letter| char::from_u32(u32::from(letter) + 0xfee0).unwrap().to_string()),
            KEY.as_bytes()
                .chunks(5)
                .map(|part| str::from_utf8(part).unwrap())
                .collect::<Vec<_>>()
                .join(" / "),
        ] {
            assert_eq!(key.scrub(&format!("the key {echo} is bad")), HIDDEN, "{echo}");
        }
        for text in ["HTTP 500 &#38; more", "\\u{1F600} C:\\101 &#x; &# \\9", "a session is over"] {
            assert_ne!(key.scrub(text), HIDDEN, "{text}");
        }
    }
}
