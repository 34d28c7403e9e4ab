//! The plan: the verdict for every mapping, complete before anything changes.

use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;

use super::policy::{Policies, judge, looks_like_wrong_home};
use super::{
    Activity, CliProcess, KeepReason, MappingIdx, ProcessDetails, ProviderIdx, Reading,
    RemoveReason, SessionIdx, State, Timestamp, Verdict, Warning, WarningCode,
};

#[derive(Debug, Clone)]
pub struct Observation {
    /// The folder of sessions that was searched.
    pub root: PathBuf,
    pub reading: Reading,
    /// One for each session of the provider's index, in that order.
    pub activities: Vec<Activity>,
}

/// The activity of a session that was not looked at.
static UNSEEN: Activity =
    Activity { own: None, archived: None, used: None, unread: None, recordless: None };

/// The session that a mapping leads to, or the reason why there is none to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    UnknownModel,
    /// The map holds something other than a string.
    NotAString,
    /// The model's CLI never writes such an id.
    ImpossibleId,
    Session {
        provider: ProviderIdx,
        session: SessionIdx,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// Each judged mapping and its subject, in the map's order.
    pub subjects: Vec<(MappingIdx, Subject)>,
    /// One for each provider of the table; `None` if no mapping asked for it.
    pub providers: Vec<Option<Observation>>,
    pub warnings: Vec<Warning>,
}

impl Observations {
    pub fn activity(&self, subject: Subject) -> Option<&Activity> {
        let Subject::Session { provider, session } = subject else { return None };
        self.provider(provider)?.activities.get(session.get())
    }

    pub fn provider(&self, provider: ProviderIdx) -> Option<&Observation> {
        self.providers.get(provider.get())?.as_ref()
    }

    /// Replaces the activity of `subject`'s session by the one that a second look has seen.
    pub fn see_again(&mut self, subject: Subject, activity: Activity) {
        let Subject::Session { provider, session } = subject else { return };
        let seen = self.providers.get_mut(provider.get()).and_then(Option::as_mut);
        if let Some(known) = seen.and_then(|seen| seen.activities.get_mut(session.get())) {
            *known = activity;
        }
    }

    /// Judges every mapping, without the wrong-home guard.
    pub fn judged(&self, policies: &Policies) -> impl Iterator<Item = Decision> {
        self.subjects.iter().map(|&(mapping, subject)| {
            let verdict = self.verdict(subject, policies);
            Decision { mapping, subject, verdict }
        })
    }

    fn verdict(&self, subject: Subject, policies: &Policies) -> Verdict {
        let (provider, session) = match subject {
            Subject::UnknownModel => return Verdict::Keep(KeepReason::UnknownModel),
            Subject::NotAString => return Verdict::Keep(KeepReason::NotAString),
            Subject::ImpossibleId => return Verdict::Keep(KeepReason::ImpossibleId),
            Subject::Session { provider, session } => (provider, session),
        };

        let seen = self.provider(provider);
        let seen = seen.and_then(|seen| Some((seen.reading, seen.activities.get(session.get())?)));
        let (reading, activity) = seen.unwrap_or((Reading::Partly, &UNSEEN));
        judge(reading, activity, policies.of(provider))
    }
}

/// The action of a run on a mapping, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Kept,
    Removed,
    /// A run that is no dry run would remove it.
    WouldRemove,
    /// Its mapping is kept, and its CLI process has ended.
    Released,
    /// A run that is no dry run would end its CLI process.
    WouldRelease,
    /// It should have been removed, and could not be.
    Failed,
}

#[derive(Debug, Clone, Copy)]
pub struct Decision {
    pub mapping: MappingIdx,
    pub subject: Subject,
    pub verdict: Verdict,
}

/// The oldest hold on a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFor {
    pub reason: String,
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub held: HashMap<MappingIdx, HeldFor>,
    /// The names of the processes that mappings are kept for, by process id.
    pub processes: HashMap<u32, String>,
    /// The live CLI processes of judged mappings, by their own records.
    pub cli_processes: HashMap<MappingIdx, CliProcess>,
    /// The CLI processes that no bridge has any more.
    pub leftovers: Vec<ProcessDetails>,
    /// One for each judged mapping, in the map's order.
    pub decisions: Vec<Decision>,
}

impl Plan {
    /// Judges every mapping, and applies the wrong-home guard. The guard's warnings are added to
    /// those of `observations`.
    pub fn new(observations: &mut Observations, policies: &Policies) -> Self {
        let decisions = observations.judged(policies).collect();
        let mut plan = Self { decisions, ..Self::default() };
        for (index, observation) in (0..).map(ProviderIdx).zip(&observations.providers) {
            let Some(observation) = observation else { continue };
            let verdicts = plan.verdicts_of(index);
            if !looks_like_wrong_home(verdicts.map(|verdict| *verdict), policies.missing()) {
                continue;
            }

            let missing = plan.verdicts_of(index).filter(|it| it.state() == State::Missing);
            let count =
                missing.map(|verdict| *verdict = Verdict::Keep(KeepReason::WrongHome)).count();
            let message = wrong_home_message(count);
            let warning = Warning::at(WarningCode::WrongHome, &observation.root, message);
            observations.warnings.push(warning);
        }
        plan
    }

    fn verdicts_of(&mut self, provider: ProviderIdx) -> impl Iterator<Item = &mut Verdict> {
        self.decisions.iter_mut().filter_map(move |decision| match decision.subject {
            Subject::Session { provider: of, .. } if of == provider => Some(&mut decision.verdict),
            _ => None,
        })
    }

    /// The mappings to remove, in the map's order.
    pub fn removals(&self) -> impl Iterator<Item = MappingIdx> + Clone {
        let removed = self.decisions.iter().filter(|decision| decision.verdict.removes());
        removed.map(|decision| decision.mapping)
    }

    pub fn decision(&self, mapping: MappingIdx) -> Option<Decision> {
        let at = self.decisions.binary_search_by_key(&mapping, |it| it.mapping).ok()?;
        self.decisions.get(at).copied()
    }

    pub fn verdict(&self, mapping: MappingIdx) -> Option<Verdict> {
        self.decision(mapping).map(|decision| decision.verdict)
    }

    /// Replaces the verdict for that mapping, and returns the new decision.
    pub fn settle(&mut self, mapping: MappingIdx, verdict: Verdict) -> Option<Decision> {
        let at = self.decisions.binary_search_by_key(&mapping, |it| it.mapping).ok()?;
        let decision = self.decisions.get_mut(at)?;
        decision.verdict = verdict;
        Some(*decision)
    }

    /// Keeps a mapping that would be removed, for a reason that depends on why it would be.
    pub fn keep(&mut self, mapping: MappingIdx, because: fn(RemoveReason) -> KeepReason) {
        if let Some(Verdict::Remove(reason)) = self.verdict(mapping) {
            self.settle(mapping, Verdict::Keep(because(reason)));
        }
    }
}

fn wrong_home_message(count: usize) -> String {
    let all =
        if count == 1 { "the one mapping".to_owned() } else { format!("all {count} mappings") };
    format!(
        "session files are missing for {all}: wrong home? All kept; set --home, or use --missing remove to remove them"
    )
}
