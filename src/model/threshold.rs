//! The idle threshold: from 1 second to 100 years, in whole seconds.

use std::fmt;

use super::ProviderIdx;

/// How long a session may be idle before its mapping is removed, in whole seconds, and how it was
/// typed.
#[derive(Clone)]
pub struct IdleThreshold {
    seconds: u64,
    typed: Option<Box<str>>,
}

/// Thresholds of the same length are equal, however they were typed.
impl PartialEq for IdleThreshold {
    fn eq(&self, other: &Self) -> bool {
        self.seconds == other.seconds
    }
}

impl Eq for IdleThreshold {}

/// Equal thresholds look equal.
impl fmt::Debug for IdleThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdleThreshold({} s)", self.seconds)
    }
}

const SHORTEST: f64 = 1.0;
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;

impl IdleThreshold {
    pub const DEFAULT: Self = Self { seconds: 7_200, typed: None };

    /// Parses a number of hours, with fractions, rounded to the nearest second. Errors are worded for the
    /// middle of a sentence.
    pub fn from_hours(text: &str) -> Result<Self, String> {
        let hours = text.trim().parse::<f64>().map_err(|_| "not a number of hours".to_owned())?;
        Self::from_seconds(hours * 3600.0)
    }

    /// Parses a duration with units, such as `90m` or `1d 12h`.
    pub fn from_duration(text: &str) -> Result<Self, String> {
        let duration = humantime::parse_duration(text.trim()).map_err(|error| {
            let why = error.to_string().replace(['\n', '\r'], " ");
            format!("not a duration ({why})")
        })?;
        let typed = Some(text.trim().into());
        Ok(Self { typed, ..Self::from_seconds(duration.as_secs_f64())? })
    }

    fn from_seconds(seconds: f64) -> Result<Self, String> {
        // NaN is in no range, so it is refused as well.
        if !(SHORTEST..=LONGEST).contains(&seconds) {
            return Err("not between 1 second and 100 years".to_owned());
        }

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above to lie between 1 and about 3.2e9"
        )]
        Ok(Self { seconds: seconds.round() as u64, typed: None })
    }

    pub fn seconds(&self) -> u64 {
        self.seconds
    }
}

impl Default for IdleThreshold {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The usual threshold of a run, and those of single providers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thresholds {
    pub usual: IdleThreshold,
    pub special: Vec<(ProviderIdx, IdleThreshold)>,
}

impl Thresholds {
    pub fn of(&self, provider: ProviderIdx) -> &IdleThreshold {
        let mut special = self.special.iter();
        special.find(|(of, _)| *of == provider).map_or(&self.usual, |(_, threshold)| threshold)
    }
}

impl From<IdleThreshold> for Thresholds {
    fn from(usual: IdleThreshold) -> Self {
        Self { usual, special: Vec::new() }
    }
}

/// The duration as it was typed, or hours with at most four decimals: `90m`, `2h`, `1.5h`.
impl fmt::Display for IdleThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(typed) = &self.typed {
            return f.write_str(typed);
        }
        // Ten-thousandths of an hour, rounded; integers keep long thresholds exact.
        let parts = (self.seconds * 10_000 + 1_800) / 3_600;
        let decimals = format!("{:04}", parts % 10_000);
        let decimals = decimals.trim_end_matches('0');
        let dot = if decimals.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{decimals}h", parts / 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_within_the_range_are_taken() {
        #[track_caller]
        fn check(text: &str, seconds: u64, shown: &str) {
            let threshold = IdleThreshold::from_hours(text).unwrap();
            assert_eq!((threshold.seconds(), threshold.to_string().as_str()), (seconds, shown));
        }
        check("2", 7_200, "2h");
        check("1.5", 5_400, "1.5h");
        check("0.25", 900, "0.25h");
        check(" 4 ", 14_400, "4h");
        check("0.00028", 1, "0.0003h");
        check("876600", 3_155_760_000, "876600h");
    }

    #[test]
    fn hours_outside_the_range_are_refused() {
        let refused = [
            "0", "-0", "-1", "nan", "NaN", "inf", "-inf", "infinity", "1e300", "876601", "0.0001",
            "", "2h", "two", "1,5", "0x2",
        ];
        for text in refused {
            let error = IdleThreshold::from_hours(text).unwrap_err();
            assert!(error.starts_with("not "), "{text}: {error}");
        }
    }

    #[test]
    fn durations_are_taken_or_refused() {
        let seconds = |text| IdleThreshold::from_duration(text).map(|taken| taken.seconds());
        let shown = |text| IdleThreshold::from_duration(text).unwrap().to_string();
        assert_eq!((shown("90m"), shown(" 7d ")), ("90m".to_owned(), "7d".to_owned()));
        assert_eq!(IdleThreshold::from_duration("120m"), IdleThreshold::from_hours("2"));
        assert_eq!(seconds("90m"), Ok(5_400));
        assert_eq!(seconds("2h"), Ok(7_200));
        assert_eq!(seconds("1d 12h"), Ok(129_600));
        assert_eq!(seconds("100years"), Ok(3_155_760_000));
        let refused =
            ["0s", "0", "2", "-2h", "1 fortnight", "101years", "999ms", "", "99999999999999years"];
        for text in refused {
            let error = IdleThreshold::from_duration(text).unwrap_err();
            assert!(error.starts_with("not ") && !error.contains('\n'), "{text}: {error}");
        }
    }
}
