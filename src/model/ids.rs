//! Ids in the bridge's map, and positions in lists.

/// A chat's id in the map: any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId<'a>(pub &'a str);

/// A session's id in the map. It may be any text, so no path is ever built from one: see
/// [`IdKind::allows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId<'a>(pub &'a str);

/// The position of a mapping in its map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingIdx(pub u32);

impl MappingIdx {
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// The position of a session among those that a provider is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionIdx(pub u32);

impl SessionIdx {
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// The position of a provider in the table of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderIdx(pub u8);

impl ProviderIdx {
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

/// The ids that a CLI writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// A UUID in its usual form, 36 characters.
    Uuid,
    /// 1 to 255 characters out of `A-Z a-z 0-9 . _ -`, but not `.` and `..`.
    Word,
}

impl IdKind {
    /// Returns true if a CLI with ids of this kind could have written `id`.
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

/// Returns true for a UUID: 8-4-4-4-12 hex digits, in either case.
pub fn is_uuid(text: &[u8]) -> bool {
    uuid(text).is_some()
}

/// Returns the number that a UUID encodes; nothing for other text.
pub fn uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != *b"----" {
        return None;
    }

    let mut seen = 0;
    let mut digits = |of: &[u8]| {
        of.iter().fold(0_u64, |number, byte| {
            let digit = HEX[usize::from(*byte)];
            seen |= digit;
            number << 4 | u64::from(digit)
        })
    };

    let high = digits(&text[..8]) << 32 | digits(&text[9..13]) << 16 | digits(&text[14..18]);
    let low = digits(&text[19..23]) << 48 | digits(&text[24..]);
    (seen <= 0xf).then_some(u128::from(high) << 64 | u128::from(low))
}

/// The value of each byte as a hex digit; 16 for other bytes.
static HEX: [u8; 256] = {
    let mut values = [0x10; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        values[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// Returns when a version 7 UUID was made, in milliseconds since 1970: its first 48 bits (RFC 9562).
/// Returns nothing for other UUIDs.
pub fn uuid7_milliseconds(number: u128) -> Option<i64> {
    if number >> 76 & 0xf != 7 {
        return None;
    }
    i64::try_from(number >> 80).ok()
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
        let made = |text: &str| uuid7_milliseconds(uuid(text.as_bytes()).unwrap());
        assert_eq!(made(UUID), Some(0x0192_f3a4_5b6c));
        assert_eq!(made("0192f3a4-5b6c-4d8e-9f00-112233445566"), None);
        assert_eq!(made("ffffffff-ffff-7fff-bfff-ffffffffffff"), Some(281_474_976_710_655));
    }
}
