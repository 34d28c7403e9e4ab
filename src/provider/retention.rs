//! How long a CLI keeps a session after its last write. When they start, Claude Code and Gemini CLI delete
//! older ones, mapped or not, by their settings.
//!
//! Seen in Claude Code 2.1.332 and Gemini CLI 0.61.0. No default is assumed for settings that cannot be
//! understood. Settings of one project, and Gemini CLI's limit on the number of sessions, are ignored.

use crate::model::describe;
use crate::os::folder::Links;
use crate::os::reading;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub struct Retention {
    /// The CLI's name as its vendor writes it.
    pub cli: &'static str,
    /// The machine's settings, which override the user's.
    pub(super) machine: &'static str,
    pub(super) read: fn(&Settings<'_>) -> Result<Kept, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Until that long after their last write.
    For(Duration),
    Always,
    /// The settings cannot be read or understood: why.
    Unknown(String),
}

const DAY: u64 = 24 * 3600;
const DEFAULT: Duration = Duration::from_secs(30 * DAY);

/// The name of the user's settings in the CLI's folder.
const SETTINGS: &str = "settings.json";

const LARGEST: u64 = 4 << 20;

impl Retention {
    /// Returns how long the CLI keeps its sessions in that folder, such as `~/.claude`.
    pub(super) fn of(&self, folder: &Path) -> Kept {
        self.read_settings(folder).unwrap_or_else(Kept::Unknown)
    }

    fn read_settings(&self, folder: &Path) -> Result<Kept, String> {
        let (machine, user) = (PathBuf::from(self.machine), folder.join(SETTINGS));
        let layers = [(machine.clone(), read(&machine)?), (user.clone(), read(&user)?)];
        (self.read)(&Settings { layers: &layers })
    }
}

/// The machine's settings, then the user's, each with their file.
pub(super) struct Settings<'s> {
    layers: &'s [(PathBuf, Value)],
}

impl Settings<'_> {
    /// Returns the first value at that JSON pointer, with its file.
    fn get(&self, pointer: &str) -> Option<(&Path, &Value)> {
        self.layers.iter().find_map(|(path, settings)| {
            let value = settings.pointer(pointer).filter(|value| !value.is_null())?;
            Some((path.as_path(), value))
        })
    }
}

/// `cleanupPeriodDays`: a whole number of days, of which 0 means that nothing is deleted.
pub(super) fn of_claude(settings: &Settings<'_>) -> Result<Kept, String> {
    let Some((path, value)) = settings.get("/cleanupPeriodDays") else {
        return Ok(Kept::For(DEFAULT));
    };
    match value.as_u64() {
        Some(0) => Ok(Kept::Always),
        Some(days) => Ok(days.checked_mul(DAY).map_or(Kept::Always, seconds)),
        None => Err(wrong(path, "cleanupPeriodDays", "a whole number of days")),
    }
}

/// `general.sessionRetention`: on by default, for 30 days. With a `maxAge` below `minRetention`, nothing
/// is deleted.
pub(super) fn of_gemini(settings: &Settings<'_>) -> Result<Kept, String> {
    match settings.get("/general/sessionRetention/enabled") {
        Some((_, Value::Bool(false))) => return Ok(Kept::Always),
        None | Some((_, Value::Bool(true))) => {}
        Some((path, _)) => {
            return Err(wrong(path, "general.sessionRetention.enabled", "true or false"));
        }
    }

    let Some((path, age)) = settings.get("/general/sessionRetention/maxAge") else {
        return Ok(Kept::For(DEFAULT));
    };
    let age = match age.as_str() {
        // Only the number of sessions is limited then.
        Some("") => return Ok(Kept::Always),
        Some(age) => period(age),
        None => None,
    };

    let age =
        age.ok_or_else(|| wrong(path, "general.sessionRetention.maxAge", "a period such as 30d"))?;
    let least = settings.get("/general/sessionRetention/minRetention");
    let least = least.and_then(|(_, least)| period(least.as_str()?)).unwrap_or(DAY);
    Ok(if age < least { Kept::Always } else { seconds(age) })
}

fn seconds(seconds: u64) -> Kept {
    Kept::For(Duration::from_secs(seconds))
}

/// Returns the seconds of a period: `24h`, `30d`, `4w`, `6m`.
fn period(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        'h' => 3600,
        'd' => DAY,
        'w' => 7 * DAY,
        'm' => 30 * DAY,
        _ => return None,
    };

    let number = text.get(..text.len() - 1)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|number| is_number && *number > 0)?;
    number.checked_mul(unit)
}

fn wrong(path: &Path, key: &str, expected: &str) -> String {
    format!("{}: {key} is not {expected}", path.display())
}

/// Reads a settings file; an absent or empty one is an empty object.
fn read(path: &Path) -> Result<Value, String> {
    // Links are followed: settings are often kept elsewhere.
    let read = reading::whole(path, Links::Follow, LARGEST)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into()));
    match read {
        Ok(text) => parse(&text).map_err(|why| format!("{}: {why}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => parse(""),
        Err(error) => Err(format!("cannot read {}: {}", path.display(), describe(&error))),
    }
}

fn parse(text: &str) -> Result<Value, String> {
    let text = without_comments(text);
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str(&text) {
        Ok(settings @ Value::Object(_)) => Ok(settings),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}

/// Returns JSON with a space for each `// …` and `/* … */`, which settings may have.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;

    while let Some(letter) = rest.chars().next() {
        let length = if in_string && letter == '\\' {
            1 + rest[1..].chars().next().map_or(0, char::len_utf8)
        } else if letter == '"' {
            in_string = !in_string;
            1
        } else if !in_string && rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            plain.push(' ');
            continue;
        } else if !in_string && rest.starts_with("/*") {
            rest =
                rest.get(2..).and_then(|rest| rest.split_once("*/")).map_or("", |(_, rest)| rest);
            plain.push(' ');
            continue;
        } else {
            letter.len_utf8()
        };
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }

    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn days(days: u64) -> Kept {
        seconds(days * DAY)
    }

    fn of(
        read: fn(&Settings<'_>) -> Result<Kept, String>,
        machine: &Value,
        user: &Value,
    ) -> Result<Kept, String> {
        let layers = [("/m".into(), machine.clone()), ("/u".into(), user.clone())];
        read(&Settings { layers: &layers })
    }

    #[test]
    fn claudes_period() {
        let check = |user: Value, expected: Kept| {
            assert_eq!(of(of_claude, &json!({}), &user), Ok(expected), "{user}");
        };
        check(json!({}), days(30));
        check(json!({"cleanupPeriodDays": null}), days(30));
        check(json!({"cleanupPeriodDays": 7}), days(7));
        check(json!({"cleanupPeriodDays": 0}), Kept::Always);
        check(json!({"cleanupPeriodDays": u64::MAX}), Kept::Always);
        let machine = json!({"cleanupPeriodDays": 90});
        assert_eq!(of(of_claude, &machine, &json!({"cleanupPeriodDays": 7})), Ok(days(90)));
        for wrong in [json!("7"), json!(-1), json!(1.5), json!({}), json!(true)] {
            let why = of(of_claude, &json!({}), &json!({"cleanupPeriodDays": wrong})).unwrap_err();
            assert_eq!(why, "/u: cleanupPeriodDays is not a whole number of days");
        }
    }

    #[test]
    fn geminis_period() {
        let check = |retention: Value, expected: Kept| {
            let user = json!({"general": {"sessionRetention": retention}});
            assert_eq!(of(of_gemini, &json!({}), &user), Ok(expected), "{user}");
        };
        check(json!({}), days(30));
        check(json!({"enabled": true}), days(30));
        check(json!({"enabled": false, "maxAge": "7d"}), Kept::Always);
        check(json!({"maxAge": "48h"}), days(2));
        check(json!({"maxAge": "4w"}), days(28));
        check(json!({"maxAge": "6m"}), days(180));
        check(json!({"maxAge": ""}), Kept::Always);
        // Below the least, which is a day unless it is given, Gemini CLI deletes nothing.
        check(json!({"maxAge": "12h"}), Kept::Always);
        check(json!({"maxAge": "12h", "minRetention": "1h"}), seconds(12 * 3600));
        check(json!({"maxAge": "7d", "minRetention": "2w"}), Kept::Always);
        for wrong in [json!("30"), json!("0d"), json!("+3d"), json!("d"), json!("3y"), json!(30)] {
            let user = json!({"general": {"sessionRetention": {"maxAge": wrong}}});
            let why = of(of_gemini, &json!({}), &user).unwrap_err();
            assert!(why.starts_with("/u: general.sessionRetention.maxAge is not"), "{why}");
        }
        let machine = json!({"general": {"sessionRetention": {"maxAge": "90d"}}});
        let user = json!({"general": {"sessionRetention": {"maxAge": "7d"}}});
        assert_eq!(of(of_gemini, &machine, &user), Ok(days(90)));
    }

    #[test]
    fn settings_may_have_comments() {
        let text = "// one\n{\"a\": \"// \\\" /* no */\", /* two\n */ \"b\": 1 // three";
        assert_eq!(without_comments(text), " \n{\"a\": \"// \\\" /* no */\",   \"b\": 1  ");
        assert_eq!(without_comments("/* torn"), " ");
        assert_eq!(without_comments("\"\\"), "\"\\");
    }

    #[test]
    fn files_that_are_none_are_unknown() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join(SETTINGS)), Ok(json!({})));
        assert!(read(folder.path()).unwrap_err().contains("not a regular file"));
        assert_eq!(parse(" \n // nothing"), Ok(json!({})));
        assert_eq!(parse("[]").unwrap_err(), "not a JSON object");
        assert!(parse("{").unwrap_err().starts_with("not valid JSON: "));
    }
}
