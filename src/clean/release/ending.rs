//! The end of a release: records the processes of a plan, looks at each for the last time, signals it, and waits.

use std::time::{Duration, Instant};

use super::CLAUDE;
use super::conditions::{Claim, kept};
use super::kept::KeptReason;
use super::look::Seen;
use super::restarts::restarted;
use super::run::{Chosen, Place, ReleasePlan, ReleaseRun};
use super::sessions::Protection;
use super::signal::{NotOpened, Outcome, PATIENCE, Signalled, Target, wait};
use crate::journal::{Journal, ReleaseEvent, ReleaseRecord};
use crate::model::{Failure, Release, Timestamp, Warning, WarningCode};
use crate::os::progress::Phase;
use crate::process::facts::OpenElsewhere;
use crate::provider::{PROVIDERS, RecordedProcess};

/// How old a look at sessions may be when a process is signalled.
const OLDEST_LOOK: Duration = Duration::from_secs(2);

/// What was read last for all that are still to be signalled, in reverse.
#[derive(Default)]
struct Round {
    ended: Option<Instant>,
    left: Vec<Last>,
}

/// What was read last for one of them.
#[derive(Clone, Copy)]
struct Last {
    protection: Protection,
    is_mapped: bool,
    open_elsewhere: OpenElsewhere,
}

impl Round {
    fn is_old(&self) -> bool {
        self.ended.is_none_or(|ended| ended.elapsed() > OLDEST_LOOK)
    }

    fn next(&mut self) -> Option<Last> {
        self.left.pop()
    }
}

impl ReleaseRun<'_> {
    /// Ends the processes of the plan, each of them looked at again right before, and waits for them.
    pub(in crate::clean) fn carry_out(
        &mut self,
        plan: ReleasePlan,
        journal: &Journal,
    ) -> Result<(), Failure> {
        let ReleasePlan(chosen) = plan;
        if chosen.is_empty() {
            return Ok(());
        }

        let time = self.now();
        let planned = chosen.iter().map(|one| self.record(one, ReleaseEvent::Planned, time));
        journal.record_releases(planned)?;
        // Another run may have planned the same process meanwhile.
        self.past = journal.releases()?;

        self.observer.interrupt.progress().begin(Phase::Ending, 0);
        let signalled = self.signal(&chosen, time);
        let outcomes = wait(signalled, PATIENCE, self.observer.interrupt);
        for one in &chosen {
            let pid = self.candidate(one.subject).pid();
            match outcomes.iter().find(|(ended, _)| *ended == pid) {
                Some((_, Outcome::Ended)) => self.set(one.subject, Release::Released),
                Some((_, Outcome::Ending)) => {
                    self.set(one.subject, Release::Ending);
                    let message = format!("process {pid} was asked to end and still runs");
                    self.warnings.push(Warning::new(WarningCode::StillEnding, message));
                }
                None => {}
            }
        }

        let restart = self.restart_of(&chosen, time);
        let ended = chosen.iter().map(|one| self.record(one, self.event(one), time));
        if let Err(failure) = journal.record_releases(ended.chain(restart)) {
            self.warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
        }
        Ok(())
    }

    /// Signals each of them that is still to be ended.
    fn signal(&mut self, chosen: &[Chosen], time: Timestamp) -> Vec<Signalled> {
        let mut signalled: Vec<Signalled> = Vec::new();
        let mut done: Vec<ReleaseRecord> = Vec::new();
        let mut round = Round::default();
        for (number, one) in chosen.iter().enumerate() {
            if round.is_old() {
                let left: Vec<usize> = chosen[number..].iter().map(|one| one.subject).collect();
                let Ok(read) = self.round(&left) else {
                    self.keep(one.subject, &KeptReason::LastUseUnknown);
                    continue;
                };
                round = read;
            }

            if !self.bridge.restarts && self.has_restarted(&done) {
                self.bridge.restarts = true;
            }
            match round.next().ok_or(KeptReason::LastUseUnknown).and_then(|last| {
                if last.is_mapped { self.signal_one(one, last) } else { Err(KeptReason::NotMapped) }
            }) {
                Ok(target) => {
                    done.push(self.record(one, ReleaseEvent::Released, time));
                    signalled.push(target);
                }
                Err(why) => self.keep(one.subject, &why),
            }
        }
        signalled
    }

    /// Reads for these subjects what may be up to 2 s old at a signal: the map, evidence of use, pins, holds and open
    /// files.
    fn round(&mut self, left: &[usize]) -> Result<Round, Failure> {
        let seen = self.look(left)?;
        let protections = self.protections(left)?;
        let mapped = self.still_mapped(left)?;
        let all = protections.into_iter().zip(mapped).zip(seen);
        let mut left: Vec<Last> = all
            .map(|((protection, is_mapped), seen)| Last {
                protection,
                is_mapped,
                open_elsewhere: seen.open_elsewhere,
            })
            .collect();
        left.reverse();
        Ok(Round { ended: Some(Instant::now()), left })
    }

    /// Looks at the process for the last time, and signals it.
    fn signal_one(&mut self, one: &Chosen, last: Last) -> Result<Signalled, KeptReason> {
        let pid = self.candidate(one.subject).pid();
        let target = Target::open(pid, one.start).map_err(|why| match why {
            NotOpened::Ended => KeptReason::Ended,
            NotOpened::OtherProcess => KeptReason::OtherStart,
            NotOpened::Unsupported => KeptReason::NotAllowed,
        })?;

        let seen = self.look_closely(one.subject).map_err(|_| KeptReason::Unreadable)?;
        let seen = &Seen { open_elsewhere: last.open_elsewhere, ..seen };
        if let Some(why) = kept(&self.case_of(one, seen, last.protection)) {
            return Err(why);
        }
        if self.observer.interrupt.asked() {
            return Err(KeptReason::Interrupted);
        }
        if let Some(why) = self.candidate(one.subject).recheck(seen) {
            return Err(why);
        }

        match target.terminate() {
            Ok(Some(signalled)) => Ok(signalled),
            Ok(None) => Err(KeptReason::Ended),
            Err(error) => {
                let message = format!("cannot end process {pid}: {error}");
                self.warnings.push(Warning::new(WarningCode::NotReleased, message));
                Err(KeptReason::NotAllowed)
            }
        }
    }

    /// Warns if the session of a process that this run has ended has one again, and returns the line about it.
    fn restart_of(&mut self, chosen: &[Chosen], time: Timestamp) -> Option<ReleaseRecord> {
        let is_mapped = |one: &&Chosen| self.subjects[one.subject].claim == Claim::Mapped;
        let done: Vec<ReleaseRecord> = chosen
            .iter()
            .filter(is_mapped)
            .map(|one| self.record(one, self.event(one), time))
            .filter(|record| record.event == ReleaseEvent::Released)
            .collect();
        if !self.bridge.restarts && !self.has_restarted(&done) {
            return None;
        }

        let record = done.into_iter().next()?;
        self.warnings.push(super::restart_warning(&record.session));
        Some(ReleaseRecord { event: ReleaseEvent::Restarted, ..record })
    }

    /// Returns true if one of the processes that this run has ended is there again.
    fn has_restarted(&self, done: &[ReleaseRecord]) -> bool {
        let Place { home, .. } = &self.place;
        let live = super::live(&self.observer);
        let live: Vec<&RecordedProcess> = live.iter().collect();
        let done: Vec<&ReleaseRecord> = done.iter().collect();
        !done.is_empty()
            && restarted(&done, &live, home, &self.machine, self.now(), self.observer.interrupt)
                .is_some()
    }

    /// The line of the journal about one of them.
    fn record(&self, one: &Chosen, event: ReleaseEvent, time: Timestamp) -> ReleaseRecord {
        let subject = &self.subjects[one.subject];
        let is_mapped = subject.claim == Claim::Mapped;
        let mappings = subject.mappings.iter().filter(|_| is_mapped);
        let mappings = mappings.filter_map(|mapping| self.observer.map.get(*mapping));
        ReleaseRecord {
            run: self.id.clone(),
            time: time.rfc3339().unwrap_or_default(),
            event,
            // Of another map's first release, and of its bridge, a process without a mapping shows nothing.
            map: self.place.map.clone().filter(|_| is_mapped).map(Into::into),
            url: self.place.url.clone().filter(|_| is_mapped),
            pid: subject.candidate.pid(),
            start: one.start,
            session: subject.session.clone(),
            chats: mappings
                .map(|mapping| format!("{}/{}", mapping.model, mapping.chat.0))
                .collect(),
            memory_bytes: subject.memory_bytes,
            resume: PROVIDERS[CLAUDE.get()].resume_command(&subject.session),
        }
    }

    fn event(&self, one: &Chosen) -> ReleaseEvent {
        match self.subjects[one.subject].outcome {
            Some(Release::Released) => ReleaseEvent::Released,
            Some(Release::Ending) => ReleaseEvent::Ending,
            _ => ReleaseEvent::Kept,
        }
    }
}
