//! A release: which processes are to be ended. The plan is whole, and within its limit, before any is signalled
//! ([`super::ending`]).

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::conditions::{Bridge, Case, Claim, Session, kept, kept_before_cpu};
use super::cpu::{Cpu, Measured, measure};
use super::kept::KeptReason;
use super::look::{Candidate, Seen, look, look_closely};
use super::sessions::{self, Protection};
use crate::clean::observer::Observer;
use crate::journal::PastReleases;
use crate::map::{BridgeReaction, MapStore};
use crate::model::{
    Failure, IdleThreshold, MappingIdx, Release, SessionMap, Timestamp, Warning, WarningCode,
};
use crate::os::progress::Phase;
use crate::process::facts::{Machine, Parent};
use crate::provider::PROVIDERS;

/// A process that may be released.
pub(in crate::clean) struct Subject {
    pub(in crate::clean) candidate: Candidate,
    /// The session that it has open.
    pub(in crate::clean) session: String,
    pub(in crate::clean) claim: Claim,
    /// The mappings of the observed map that have its session.
    pub(in crate::clean) mappings: Vec<MappingIdx>,
    pub(in crate::clean) memory_bytes: Option<u64>,
    pub(in crate::clean) outcome: Option<Release>,
}

impl Subject {
    /// The map's order, then that of pids.
    pub(super) fn order(&self) -> (Option<MappingIdx>, u32) {
        (self.mappings.first().copied(), self.candidate.pid())
    }
}

/// The place of a release.
pub(in crate::clean) struct Place {
    /// The map's path with links resolved, if it is known.
    pub(in crate::clean) map: Option<PathBuf>,
    /// The bridge's address, if one was asked.
    pub(in crate::clean) url: Option<String>,
    /// The folder of Claude Code, such as `~/.claude`.
    pub(in crate::clean) home: PathBuf,
}

/// A release, from its candidates to its outcome.
pub(in crate::clean) struct ReleaseRun<'a> {
    pub(super) observer: Observer<'a>,
    pub(super) place: Place,
    pub(super) subjects: Vec<Subject>,
    pub(super) bridge: Bridge,
    pub(super) machine: Machine,
    pub(super) past: PastReleases,
    /// The run's id, for the journal.
    pub(super) id: String,
    /// How long a process must be idle.
    after: IdleThreshold,
    /// The map as it is read again.
    store: &'a dyn MapStore,
    began: Instant,
    /// True if the user has confirmed processes without a mapping.
    pub(in crate::clean) is_confirmed: bool,
    /// True if the format of the map is known, and with it the reaction of its bridge.
    is_bridge_known: bool,
    pub(in crate::clean) warnings: Vec<Warning>,
}

/// A process that is to be ended.
pub(super) struct Chosen {
    /// Its place among the subjects.
    pub(super) subject: usize,
    /// When it started, as field 22 of its `stat`.
    pub(super) start: u64,
    /// When its status began as the release was planned.
    idle_since: Option<Timestamp>,
    cpu: Cpu,
    /// True if its parent is claude-agent-acp, which does not survive a release.
    has_acp: bool,
}

/// The processes that are to be ended, in the order of the subjects.
pub(in crate::clean) struct ReleasePlan(pub(super) Vec<Chosen>);

impl<'a> ReleaseRun<'a> {
    pub(in crate::clean) fn new(
        observer: Observer<'a>,
        store: &'a dyn MapStore,
        id: &str,
        place: Place,
        subjects: Vec<Subject>,
        bridge: Bridge,
        past: PastReleases,
    ) -> Self {
        let settings = &observer.config.release;
        let idle = observer.config.idle.of(super::CLAUDE);
        let after = settings.after.as_ref().unwrap_or(idle);
        let is_bridge_known = place.url.is_some() || settings.format.is_some();
        Self {
            after: after.clone(),
            id: id.to_owned(),
            store,
            observer,
            place,
            subjects,
            bridge,
            machine: Machine::read(),
            past,
            began: Instant::now(),
            is_confirmed: false,
            is_bridge_known,
            warnings: Vec::new(),
        }
    }

    /// Returns true if a process was asked to end.
    pub(in crate::clean) fn has_signalled(&self) -> bool {
        let mut outcomes = self.subjects.iter().map(|subject| &subject.outcome);
        outcomes.any(|outcome| matches!(outcome, Some(Release::Released | Release::Ending)))
    }

    pub(in crate::clean) fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Decides which processes are to be ended. The others get their reason. Fails if there are more than
    /// `--max-release` allows.
    pub(in crate::clean) fn plan(&mut self) -> Result<ReleasePlan, Failure> {
        let all: Vec<usize> = (0..self.subjects.len()).collect();
        let seen = self.look(&all)?;
        let protections = self.protections(&all)?;

        let mut chosen = Vec::new();
        for ((subject, seen), protection) in all.into_iter().zip(&seen).zip(&protections) {
            let case = self.case(subject, seen, *protection, None, None);
            match kept_before_cpu(&case) {
                Some(why) => self.keep(subject, &why),
                None => chosen.extend(chosen_of(subject, seen)),
            }
        }

        self.measure(&mut chosen);
        let mut chosen = self.still(chosen)?;
        self.keep_all_but_first(&mut chosen);
        self.check_limit(chosen.len())?;
        self.warn_of_errors(&chosen);
        self.warn_of_bridge();
        for one in &chosen {
            self.set(one.subject, Release::WouldRelease);
        }
        Ok(ReleasePlan(chosen))
    }

    /// Measures the CPU time of all of them at once.
    fn measure(&self, chosen: &mut [Chosen]) {
        if chosen.is_empty() {
            return;
        }

        let interrupt = self.observer.interrupt;
        interrupt.progress().begin(Phase::Cpu, 0);
        let measured: Vec<Measured> = chosen
            .iter()
            .map(|one| Measured { pid: self.candidate(one.subject).pid(), start: one.start })
            .collect();
        let subjects: Vec<usize> = chosen.iter().map(|one| one.subject).collect();
        let used = measure(&measured, self.machine.ticks_per_second, interrupt, |index| {
            self.candidate(*subjects.get(index)?).idle_since()
        });
        for (one, cpu) in chosen.iter_mut().zip(used) {
            one.cpu = cpu;
        }
    }

    /// Judges all of them once more, by everything.
    fn still(&mut self, chosen: Vec<Chosen>) -> Result<Vec<Chosen>, Failure> {
        if chosen.is_empty() {
            return Ok(chosen);
        }
        let subjects: Vec<usize> = chosen.iter().map(|one| one.subject).collect();
        let seen = self.look(&subjects)?;
        let protections = self.protections(&subjects)?;

        let mut still = Vec::new();
        for ((one, seen), protection) in chosen.into_iter().zip(&seen).zip(&protections) {
            match kept(&self.case_of(&one, seen, *protection)) {
                Some(why) => self.keep(one.subject, &why),
                None => still.push(one),
            }
        }
        Ok(still)
    }

    /// Keeps all mapped processes but one if none of this map was released before.
    fn keep_all_but_first(&mut self, chosen: &mut Vec<Chosen>) {
        let Place { map, url, .. } = &self.place;
        if self.past.has_released(map.as_deref(), url.as_deref()) {
            return;
        }

        let is_mapped = |one: &Chosen| self.subjects[one.subject].claim == Claim::Mapped;
        let mut mapped = chosen.iter().filter(|one| is_mapped(one)).map(|one| one.subject);
        let Some(first) = mapped.next() else { return };
        let others: Vec<usize> = mapped.collect();
        if others.is_empty() {
            return;
        }

        chosen.retain(|one| one.subject == first || !is_mapped(one));
        for other in &others {
            self.keep(*other, &KeptReason::FirstRelease);
        }
        let message = format!(
            "this is the first release for this map, so only one of {} processes is ended",
            others.len() + 1
        );
        self.warnings.push(Warning::new(WarningCode::FirstRelease, message));
    }

    /// Warns if the chats of released sessions will show an error.
    fn warn_of_errors(&mut self, chosen: &[Chosen]) {
        let is_mapped = |one: &&Chosen| self.subjects[one.subject].claim == Claim::Mapped;
        let reactions = chosen
            .iter()
            .filter(is_mapped)
            .map(|one| if one.has_acp { BridgeReaction::Breaks } else { self.bridge.reaction });
        let Some(worst) = reactions.max() else { return };
        let sees = match worst {
            BridgeReaction::Quiet => return,
            BridgeReaction::Notice => "show an error before the next answer",
            BridgeReaction::Breaks => "may not answer until their bridge is restarted",
        };
        let message = format!("the chats of released sessions {sees}");
        self.warnings.push(Warning::new(WarningCode::ChatSeesError, message));
    }

    /// Warns that processes are kept because of their bridge.
    fn warn_of_bridge(&mut self) {
        let Bridge { reaction, accepted, .. } = self.bridge;
        let mapped = self.subjects.iter().filter(|subject| subject.claim == Claim::Mapped);
        let count = mapped.count();
        if count == 0 || reaction <= accepted {
            return;
        }

        let why = match (reaction, self.is_bridge_known) {
            (_, false) => "it is not known how the bridge of this map reacts to a release",
            (BridgeReaction::Notice, true) => {
                "the bridge of this map posts an error into the chat after a release"
            }
            (_, true) => "the bridge of this map does not survive a release",
        };
        let are = if count == 1 { "process is" } else { "processes are" };
        let message = format!("{why}, so {count} CLI {are} kept");
        self.warnings.push(Warning::new(WarningCode::BridgeReacts, message));
    }

    fn check_limit(&self, count: usize) -> Result<(), Failure> {
        let Some(limit) = self.observer.config.release.max else { return Ok(()) };
        if count as u64 <= limit {
            return Ok(());
        }
        let processes = if count == 1 { "process" } else { "processes" };
        let message =
            format!("{count} {processes} would be ended, more than --max-release {limit}");
        Err(Failure::new(message)
            .hint("nothing was changed; --dry-run with a higher --max-release shows them"))
    }

    /// Returns which of these subjects the map still has, or which need not be in it.
    pub(super) fn still_mapped(&self, subjects: &[usize]) -> Result<Vec<bool>, Failure> {
        let map = self.store.map_now()?;
        let has = |subject: &usize| {
            let subject = &self.subjects[*subject];
            subject.claim != Claim::Mapped || map.as_ref().is_some_and(|map| has(map, subject))
        };
        Ok(subjects.iter().map(has).collect())
    }

    pub(super) fn look(&mut self, subjects: &[usize]) -> Result<Vec<Seen>, Failure> {
        let mut candidates: Vec<Candidate> =
            subjects.iter().map(|subject| self.candidate(*subject).clone()).collect();
        let seen = look(&mut candidates, self.observer.interrupt, self.observer.now)
            .map_err(|error| Failure::new(format!("cannot list /proc: {error}")))?;
        // A candidate remembers how far its transcripts were read.
        for (subject, candidate) in subjects.iter().zip(candidates) {
            self.subjects[*subject].candidate = candidate;
        }
        Ok(seen)
    }

    /// Looks at one of them again, but for files that other processes have open.
    pub(super) fn look_closely(&mut self, subject: usize) -> io::Result<Seen> {
        let (interrupt, now) = (self.observer.interrupt, self.observer.now);
        look_closely(&mut self.subjects[subject].candidate, interrupt, now)
    }

    pub(super) fn protections(&self, subjects: &[usize]) -> Result<Vec<Protection>, Failure> {
        let groups: Vec<&[MappingIdx]> =
            subjects.iter().map(|subject| &self.subjects[*subject].mappings[..]).collect();
        sessions::read(&self.observer, &self.after, self.place.map.as_deref(), &groups)
    }

    pub(super) fn case_of<'c>(
        &'c self,
        one: &Chosen,
        seen: &'c Seen,
        protection: Protection,
    ) -> Case<'c> {
        self.case(one.subject, seen, protection, one.idle_since, Some(one.cpu))
    }

    fn case<'c>(
        &'c self,
        subject: usize,
        seen: &'c Seen,
        protection: Protection,
        planned: Option<Timestamp>,
        cpu: Option<Cpu>,
    ) -> Case<'c> {
        let Protection { last_use, hold, is_pinned, other_use } = protection;
        let Seen { open_elsewhere, schedules, .. } = *seen;
        let claim = self.subjects[subject].claim;
        let start = seen.process.facts().map_or(0, |facts| facts.stat.start);
        // The confirmation of a process that no map has replaces `release_accepts`.
        let is_accepted = claim == Claim::Named && self.is_confirmed;
        Case {
            claim,
            bridge: if is_accepted { Bridge::ACCEPTED } else { self.bridge },
            machine: &self.machine,
            record: &seen.record,
            process: &seen.process,
            planned,
            session_id: &self.subjects[subject].session,
            signalled: self.past.signalled(self.candidate(subject).pid(), start, &self.id),
            session: Session { last_use, hold, is_pinned, other_use, open_elsewhere, schedules },
            cpu,
            release_after: Duration::from_secs(self.after.seconds()),
            now: self.observer.now,
        }
    }

    pub(super) fn candidate(&self, subject: usize) -> &Candidate {
        &self.subjects[subject].candidate
    }

    pub(super) fn keep(&mut self, subject: usize, why: &KeptReason) {
        let release = match why {
            KeptReason::Ending => Release::Ending,
            why => Release::Kept(why.to_string()),
        };
        self.set(subject, release);
    }

    pub(super) fn set(&mut self, subject: usize, release: Release) {
        self.subjects[subject].outcome = Some(release);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.observer.now.after(self.began.elapsed())
    }
}

/// Returns true if a mapping of Claude Code has the session of that process.
fn has(map: &SessionMap, subject: &Subject) -> bool {
    let provider = &PROVIDERS[super::CLAUDE.get()];
    let key = provider.session_key(&subject.session);
    map.mappings().any(|mapping| {
        mapping.model == provider.model
            && mapping.session.is_some_and(|session| provider.session_key(session.0) == key)
    })
}

/// Returns the process as it was seen, if it was.
fn chosen_of(subject: usize, seen: &Seen) -> Option<Chosen> {
    let start = seen.process.facts()?.stat.start;
    let idle_since = seen.record.record().and_then(|record| record.status_updated);
    let has_acp = seen.process.facts()?.parent == Parent::Acp;
    Some(Chosen { subject, start, idle_since, cpu: Cpu::Unknown, has_acp })
}
