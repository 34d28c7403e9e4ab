//! The settings of a service that pings Claude's web page, as its users have them in the environment: with
//! them alone, `keepalive serve` does what that service did.

use std::time::Duration;

use super::environment::{Environment, SESSION_KEY};
use super::keepalive::{ATTEMPTS, DISABLE_AFTER, LONGEST};
use crate::keepalive::job::{Action, Job, JobWarning, Minute, Silence, WebPing, When, Zone};
use crate::keepalive::web;
use crate::model::Failure;

/// The shortest interval that it took, and the shortest that reaches a provider here.
const SHORTEST: Duration = Duration::from_secs(30);
const SHORTEST_HERE: Duration = Duration::from_secs(120);

/// When it pings, and when not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    pub every: Duration,
    /// The time zone of the silence.
    pub zone: Zone,
    /// The times without a ping.
    pub silence: Silence,
    /// The variables that were not taken as they are set.
    pub warnings: Vec<JobWarning>,
}

impl DropIn {
    /// Returns true if the environment has a key, which that service could not do without.
    pub fn is_meant(environment: &Environment) -> bool {
        environment.get(SESSION_KEY).is_some()
    }

    /// Returns the job that these settings describe.
    pub fn job(&self) -> Job {
        let ping = WebPing { origin: web::CLAUDE.to_owned(), key_file: None };
        Job {
            id: "claude-web-ping".to_owned(),
            action: Action::ClaudeWebPing(ping),
            when: When::Every(self.every),
            zone: self.zone,
            silence: Some(self.silence),
            min_gap: SHORTEST_HERE,
            attempts: ATTEMPTS,
            disable_after: DISABLE_AFTER,
            notify: None,
        }
    }

    /// Reads `PROMPT_INTERVAL_MS`, `TIMEZONE`, `SILENCE_START` and `SILENCE_END`, with the defaults of that
    /// service.
    ///
    /// # Errors
    /// Exit code 2 if a value makes no sense.
    pub fn read(environment: &Environment) -> Result<Self, Failure> {
        let every = variable(environment, "PROMPT_INTERVAL_MS", "3600000", interval)?;
        let zone = variable(environment, "TIMEZONE", "Europe/Amsterdam", Zone::parse)?;
        let start = variable(environment, "SILENCE_START", "01:00", Minute::parse)?;
        let end = variable(environment, "SILENCE_END", "07:00", Minute::parse)?;

        let mut warnings = Vec::new();
        if every < SHORTEST_HERE {
            let every = every.as_millis();
            warnings.push(JobWarning {
                message: format!("PROMPT_INTERVAL_MS={every} is too short; 120000 is used"),
                hint: "set it to 120000 or more: the job sends requests to a provider".to_owned(),
            });
        }
        if start == end {
            warnings.push(JobWarning {
                message: format!(
                    "SILENCE_START and SILENCE_END are both {start}, so no ping is ever sent"
                ),
                hint: "for example SILENCE_START=01:00 and SILENCE_END=07:00".to_owned(),
            });
        }

        Ok(Self {
            every: every.max(SHORTEST_HERE),
            zone,
            silence: Silence::new(start, end).unwrap_or_else(|_| Silence::always(start)),
            warnings,
        })
    }
}

/// Reads a variable by `parse`, whose error is for the middle of a sentence.
fn variable<T>(
    environment: &Environment,
    name: &str,
    default: &str,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    let value = environment.get(name).unwrap_or_else(|| default.into());
    let parsed = value.to_str().ok_or_else(|| "not UTF-8".to_owned()).and_then(parse);
    parsed.map_err(|why| {
        let message = format!("the variable {name} is {why}");
        Failure::usage(message).hint(format!("for example {name}={default}"))
    })
}

fn interval(text: &str) -> Result<Duration, String> {
    let span = text.trim().parse().map(Duration::from_millis);
    match span.ok().filter(|span| *span <= LONGEST) {
        None => Err(format!("not a whole number of milliseconds up to a year ({text:?})")),
        Some(span) if span < SHORTEST => {
            Err(format!("{}, but must be at least 30000", span.as_millis()))
        }
        Some(span) => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exit;

    fn read(set: &[(&str, &str)]) -> Result<DropIn, Failure> {
        DropIn::read(&Environment::from(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        }))
    }

    #[test]
    fn without_anything_it_is_as_that_service_was() {
        let found = read(&[]).unwrap();
        assert_eq!((found.every.as_secs(), found.zone.name()), (3600, "Europe/Amsterdam"));
        assert_eq!(found.silence.start().to_string(), "01:00");
        assert_eq!(found.silence.end().to_string(), "07:00");
        assert_eq!(found.warnings, []);
    }

    #[test]
    fn it_is_one_job_that_reaches_a_provider() {
        let job = read(&[("PROMPT_INTERVAL_MS", "7200000")]).unwrap().job();
        assert!(job.action.reaches_provider() && job.gap() == SHORTEST_HERE);
        assert_eq!(job.when, When::Every(Duration::from_secs(7200)));
        assert_eq!((job.zone.name(), job.silence.is_some()), ("Europe/Amsterdam", true));
        let key = |name: &str| (name == SESSION_KEY).then(|| "k".into());
        assert!(DropIn::is_meant(&Environment::from(key)));
        assert!(!DropIn::is_meant(&Environment::from(|_| None)));
    }

    #[test]
    fn an_interval_is_refused_raised_or_taken() {
        let check = |text: &str, expected: Option<(u64, usize)>| {
            let found = read(&[("PROMPT_INTERVAL_MS", text)]);
            let found = found.ok().map(|found| (found.every.as_secs(), found.warnings.len()));
            assert_eq!(found, expected, "{text}");
        };
        check("29999", None);
        check("30000", Some((120, 1)));
        check("119999", Some((120, 1)));
        check("120000", Some((120, 0)));
        check("18000000", Some((18_000, 0)));
        for wrong in ["-1", "1h", "1e9", "", "99999999999999", "3600000.5"] {
            check(wrong, if wrong.is_empty() { Some((3600, 0)) } else { None });
        }
        let failure = read(&[("PROMPT_INTERVAL_MS", "soon")]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.hint.unwrap().contains("PROMPT_INTERVAL_MS=3600000"));
    }

    #[test]
    fn a_silence_that_ends_where_it_starts_is_always() {
        let found = read(&[("SILENCE_START", "09:00"), ("SILENCE_END", "09:00")]).unwrap();
        assert!(found.warnings[0].message.contains("no ping is ever sent"), "{:?}", found.warnings);
        assert_eq!(found.silence, Silence::always(Minute::parse("09:00").unwrap()));
        for (name, value) in
            [("SILENCE_START", "9"), ("SILENCE_END", "24:00"), ("TIMEZONE", "Europe/Nowhere")]
        {
            let failure = read(&[(name, value)]).unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.message.contains(name), "{failure}");
        }
    }
}
