//! The settings of a service that pings Claude's web page, as its users have them in the environment: with
//! them alone, `keepalive serve` does what that one did.

use std::time::Duration;

use super::environment::{Environment, SESSION_KEY};
use super::keepalive::{ATTEMPTS, DISABLE_AFTER};
use crate::keepalive::job::JobWarning;
use crate::keepalive::job::{Action, Job, Minute, Silence, WebPing, When, Zone};
use crate::keepalive::web;
use crate::model::Failure;

/// What holds where nothing is said, as that service had it.
const EVERY: Duration = Duration::from_secs(3600);
const ZONE: &str = "Europe/Amsterdam";
const SILENCE: [&str; 2] = ["01:00", "07:00"];

/// The shortest interval that it took, and the shortest that reaches a provider here.
const SHORTEST: Duration = Duration::from_secs(30);
const SHORTEST_HERE: Duration = Duration::from_secs(120);

/// When it pings, and when not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    /// How often.
    pub every: Duration,
    /// Where its silence is.
    pub zone: Zone,
    /// When it does not.
    pub silence: Silence,
    /// The variables that were not taken as they are set.
    pub warnings: Vec<JobWarning>,
}

impl DropIn {
    /// Whether the environment has a key, which is what that service could not do without.
    pub fn is_meant(environment: &Environment) -> bool {
        environment.get(SESSION_KEY).is_some()
    }

    /// The job that it comes to.
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

    /// Reads `PROMPT_INTERVAL_MS`, `TIMEZONE`, `SILENCE_START` and `SILENCE_END`.
    ///
    /// # Errors
    /// Exit code 2 where one makes no sense.
    pub fn read(environment: &Environment) -> Result<Self, Failure> {
        let mut warnings = Vec::new();
        let wrong = |name: &str, why: String, right: &str| {
            let message = format!("the variable {name} is {why}");
            Failure::usage(message).hint(format!("for example {name}={right}"))
        };
        let text = |name: &str, usual: &str| match environment.get(name) {
            None => Ok(usual.to_owned()),
            Some(value) => {
                value.into_string().map_err(|_| wrong(name, "not UTF-8".to_owned(), usual))
            }
        };
        let every = match environment.get("PROMPT_INTERVAL_MS") {
            None => EVERY,
            Some(value) => {
                let shown = value.to_string_lossy().into_owned();
                let span = shown.trim().parse().map(Duration::from_millis);
                let span = span.ok().filter(|span| *span <= Duration::from_secs(366 * 24 * 3600));
                let why = format!("not a whole number of milliseconds up to a year ({shown:?})");
                span.ok_or_else(|| wrong("PROMPT_INTERVAL_MS", why, "3600000"))?
            }
        };
        if every < SHORTEST {
            let why = format!("{}, but must be at least 30000", every.as_millis());
            return Err(wrong("PROMPT_INTERVAL_MS", why, "3600000"));
        }
        if every < SHORTEST_HERE {
            let every = every.as_millis();
            warnings.push(JobWarning {
                message: format!("PROMPT_INTERVAL_MS={every} is too short; 120000 is used"),
                hint: "set it to 120000 or more: the job sends requests to a provider".to_owned(),
            });
        }
        let zone = Zone::parse(&text("TIMEZONE", ZONE)?);
        let zone = zone.map_err(|why| wrong("TIMEZONE", why, ZONE))?;
        let minute =
            |name, usual| Minute::parse(&text(name, usual)?).map_err(|why| wrong(name, why, usual));
        let start = minute("SILENCE_START", SILENCE[0])?;
        let end = minute("SILENCE_END", SILENCE[1])?;
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
        let told = read(&[]).unwrap();
        assert_eq!((told.every, told.zone.name()), (EVERY, ZONE));
        assert_eq!(told.silence.start().to_string(), "01:00");
        assert_eq!(told.silence.end().to_string(), "07:00");
        assert_eq!(told.warnings, []);
    }

    #[test]
    fn it_is_one_job_that_reaches_a_provider() {
        let job = read(&[("PROMPT_INTERVAL_MS", "7200000")]).unwrap().job();
        assert!(job.action.reaches_provider() && job.gap() == SHORTEST_HERE);
        assert_eq!(job.when, When::Every(Duration::from_secs(7200)));
        assert_eq!((job.zone.name(), job.silence.is_some()), (ZONE, true));
        let key = |name: &str| (name == SESSION_KEY).then(|| "k".into());
        assert!(DropIn::is_meant(&Environment::from(key)));
        assert!(!DropIn::is_meant(&Environment::from(|_| None)));
    }

    #[test]
    fn an_interval_is_refused_raised_or_taken() {
        let check = |text: &str, expected: Option<(u64, usize)>| {
            let told = read(&[("PROMPT_INTERVAL_MS", text)]);
            let found = told.ok().map(|told| (told.every.as_secs(), told.warnings.len()));
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
        let told = read(&[("SILENCE_START", "09:00"), ("SILENCE_END", "09:00")]).unwrap();
        assert!(told.warnings[0].message.contains("no ping is ever sent"), "{:?}", told.warnings);
        assert_eq!(told.silence, Silence::always(Minute::parse("09:00").unwrap()));
        for (name, value) in
            [("SILENCE_START", "9"), ("SILENCE_END", "24:00"), ("TIMEZONE", "Europe/Nowhere")]
        {
            let failure = read(&[(name, value)]).unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.message.contains(name), "{failure}");
        }
    }
}
