//! The ids that the bridge's map holds, and what their shapes tell.

/// A chat's id as the map has it: any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId<'a>(pub &'a str);

/// A CLI session's id as the map has it. It may be any text; [`IdKind::allows`] tells whether a
/// CLI could have written it. No path is ever built from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId<'a>(pub &'a str);

/// The ids that a CLI writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// A UUID in its usual form, 36 characters.
    Uuid,
    /// 1 to 255 characters out of `A-Z a-z 0-9 . _ -`, but not `.` and `..`.
    Word,
}

impl IdKind {
    /// Whether a CLI with ids of this kind could have written `id`.
    pub fn allows(self, id: SessionId<'_>) -> bool {
        match self {
            Self::Uuid => is_uuid(id.0.as_bytes()),
            Self::Word => {
                (1..=255).contains(&id.0.len())
                    && !matches!(id.0, "." | "..")
                    && id.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            }
        }
    }
}

/// Whether `text` is a UUID: 8-4-4-4-12 hex digits, in either case.
pub fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// When a version 7 UUID was made, in whole seconds since 1970 (its first 48 bits are
/// milliseconds, RFC 9562); nothing for other ids.
pub fn uuid7_seconds(id: &str) -> Option<i64> {
    if !is_uuid(id.as_bytes()) || id.as_bytes().get(14) != Some(&b'7') {
        return None;
    }
    let hex = format!("{}{}", id.get(..8)?, id.get(9..13)?);
    i64::from_str_radix(&hex, 16).ok().map(|milliseconds| milliseconds / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0192f3a4-5b6c-7d8e-9f00-112233445566";

    #[test]
    fn ids_that_a_cli_never_writes_are_refused_d4() {
        let long = "a".repeat(300);
        let hostile =
            ["../../etc/passwd", "/etc/passwd", "*", "a\0b", &long, ".", "..", "", "a/b", "é", " "];
        for id in hostile {
            assert!(!IdKind::Uuid.allows(SessionId(id)), "{id:?}");
            assert!(!IdKind::Word.allows(SessionId(id)), "{id:?}");
        }
        for id in ["foo_bar", "a", "...", &"a".repeat(255), UUID] {
            assert!(IdKind::Word.allows(SessionId(id)), "{id:?}");
        }
        assert!(IdKind::Uuid.allows(SessionId(UUID)));
        assert!(IdKind::Uuid.allows(SessionId(&UUID.to_uppercase())));
        for id in ["foo_bar", &UUID[1..], &UUID.replace('-', "0"), &format!("{UUID}0")] {
            assert!(!IdKind::Uuid.allows(SessionId(id)), "{id:?}");
        }
    }

    #[test]
    fn only_version_7_tells_its_time() {
        assert_eq!(uuid7_seconds(UUID), Some(0x0192_f3a4_5b6c / 1000));
        assert_eq!(uuid7_seconds("0192f3a4-5b6c-4d8e-9f00-112233445566"), None);
        assert_eq!(uuid7_seconds("foo"), None);
        assert_eq!(uuid7_seconds("ffffffff-ffff-7fff-bfff-ffffffffffff"), Some(281_474_976_710));
    }
}
