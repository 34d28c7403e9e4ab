//! The plan: what becomes of every mapping, whole before anything changes.

use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;

use super::policy::{Evidence, Policies, judge, looks_like_wrong_home};
use super::{Activity, KeepReason, Reading, State, Timestamp, Verdict, Warning, WarningCode};

/// What was observed of one provider's sessions.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The folder of sessions that was looked at.
    pub root: PathBuf,
    /// How far it was read.
    pub reading: Reading,
    /// One for each session asked for, in that order.
    pub activities: Vec<Activity>,
}

/// What is known of a session that was not looked at.
static UNSEEN: Activity =
    Activity { own: None, archived: None, used: None, unread: None, recordless: None };

/// What a mapping is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A model that no provider has.
    UnknownModel,
    /// Something other than a string stands for the session's id.
    NotAString,
    /// An id that the model's CLI never writes.
    ImpossibleId,
    /// A session that was looked for.
    Session {
        /// The place of its provider in the table of providers.
        provider: u8,
        /// Its place among the activities of that provider's observation.
        session: u32,
    },
}

/// What was observed for a whole map.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// Each judged mapping's place in the map, and what it is about, in the map's order.
    pub subjects: Vec<(u32, Subject)>,
    /// One place for each provider in the table; empty where nothing asked for it.
    pub providers: Vec<Option<Observation>>,
    /// What went wrong while looking.
    pub warnings: Vec<Warning>,
}

impl Observations {
    /// What was observed of `subject`'s session.
    pub fn activity(&self, subject: Subject) -> Option<&Activity> {
        let Subject::Session { provider, session } = subject else { return None };
        self.provider(provider)?.activities.get(session as usize)
    }

    /// What was observed of the provider in that place of the table.
    pub fn provider(&self, provider: u8) -> Option<&Observation> {
        self.providers.get(usize::from(provider))?.as_ref()
    }

    /// Takes in what a second look has seen of `subject`'s session.
    pub fn see_again(&mut self, subject: Subject, activity: Activity) {
        let Subject::Session { provider, session } = subject else { return };
        let seen = self.providers.get_mut(usize::from(provider)).and_then(Option::as_mut);
        if let Some(place) = seen.and_then(|seen| seen.activities.get_mut(session as usize)) {
            *place = activity;
        }
    }

    /// Judges everything observed, without the wrong-home guard.
    pub fn judged(&self, policies: &Policies) -> impl Iterator<Item = Decision> {
        self.subjects.iter().map(move |&(mapping, subject)| {
            // Only sessions have a threshold; what has no provider is kept in any case.
            let provider = match subject {
                Subject::Session { provider, .. } => usize::from(provider),
                _ => usize::MAX,
            };
            let verdict = judge(self.evidence(subject), policies.of(provider));
            Decision { mapping, subject, verdict }
        })
    }

    fn evidence(&self, subject: Subject) -> Evidence<'_> {
        match subject {
            Subject::UnknownModel => Evidence::UnknownModel,
            Subject::NotAString => Evidence::NotAString,
            Subject::ImpossibleId => Evidence::ImpossibleId,
            Subject::Session { provider, session } => {
                let seen = self
                    .provider(provider)
                    .and_then(|seen| Some((seen.reading, seen.activities.get(session as usize)?)));
                match seen {
                    Some((reading, activity)) => Evidence::Seen { reading, activity },
                    // Never looked at: nothing is known of it.
                    None => Evidence::Seen { reading: Reading::Partly, activity: &UNSEEN },
                }
            }
        }
    }
}

/// What is done with a mapping, as the report says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It stays.
    Kept,
    /// It is gone.
    Removed,
    /// A real run would let it go.
    WouldRemove,
    /// It should have gone, and could not be let go.
    Failed,
}

/// What becomes of one mapping.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// The mapping's place in the map.
    pub mapping: u32,
    /// What it is about.
    pub subject: Subject,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Why a mapping is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFor {
    /// The reason of the oldest hold on it.
    pub reason: String,
    /// When that began, in UTC.
    pub since: Option<Timestamp>,
}

/// What becomes of every judged mapping, in the map's order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Why those are held that are, by their place in the map.
    pub held: HashMap<u32, HeldFor>,
    /// What the processes are called that mappings are kept for.
    pub processes: HashMap<u32, String>,
    /// One for each judged mapping.
    pub decisions: Vec<Decision>,
}

impl Plan {
    /// Judges everything observed, and applies the wrong-home guard. The guard's warnings are
    /// added to those of `observations`.
    pub fn new(observations: &mut Observations, policies: &Policies) -> Self {
        let mut plan =
            Self { decisions: observations.judged(policies).collect(), ..Self::default() };
        for provider in 0..observations.providers.len() {
            let of_provider = |decision: &&mut Decision| match decision.subject {
                Subject::Session { provider: of, .. } => usize::from(of) == provider,
                _ => false,
            };
            let verdicts = plan.decisions.iter_mut().filter(of_provider);
            if looks_like_wrong_home(verdicts.map(|decision| decision.verdict), policies.missing())
            {
                let mut count = 0;
                for decision in plan.decisions.iter_mut().filter(of_provider) {
                    if decision.verdict.state() == State::Missing {
                        decision.verdict = Verdict::Keep(KeepReason::WrongHome);
                        count += 1;
                    }
                }
                if let Some(Some(observation)) = observations.providers.get(provider) {
                    observations.warnings.push(Warning::at(
                        WarningCode::WrongHome,
                        &observation.root,
                        wrong_home_message(count),
                    ));
                }
            }
        }
        plan
    }

    /// The places in the map of the mappings that go, ascending.
    pub fn going(&self) -> impl Iterator<Item = u32> + Clone {
        let goes = self.decisions.iter().filter(|decision| decision.verdict.goes());
        goes.map(|decision| decision.mapping)
    }

    /// What was decided of the mapping at that place.
    pub fn decision(&self, mapping: u32) -> Option<Decision> {
        let place = self.decisions.binary_search_by_key(&mapping, |d| d.mapping).ok()?;
        self.decisions.get(place).copied()
    }

    /// What becomes of the mapping at that place.
    pub fn verdict(&self, mapping: u32) -> Option<Verdict> {
        self.decision(mapping).map(|decision| decision.verdict)
    }

    /// Puts down what became of the mapping at that place after all.
    pub fn settle(&mut self, mapping: u32, verdict: Verdict) -> Option<Decision> {
        let place = self.decisions.binary_search_by_key(&mapping, |d| d.mapping).ok()?;
        let decision = self.decisions.get_mut(place)?;
        decision.verdict = verdict;
        Some(*decision)
    }
}

fn wrong_home_message(count: usize) -> String {
    let all =
        if count == 1 { "the one mapping".to_owned() } else { format!("all {count} mappings") };
    format!(
        "session files are missing for {all}: wrong home? All kept; set --home, or use --missing remove to remove them"
    )
}
