//! The end of a release: records the processes of a plan, looks at each for the last time, signals it, and waits.

use std::time::{Duration, Instant};

use super::CLAUDE;
use super::conditions::{Claim, kept};
use super::kept::KeptReason;
use super::restarts::restarted;
use super::run::{Chosen, Place, ReleasePlan, ReleaseRun};
use super::sessions::Protection;
use super::signal::{NotOpened, Outcome, PATIENCE, Signalled, Target, wait};
use crate::journal::{Journal, ReleaseEvent, ReleaseRecord};
use crate::model::{Failure, Release, Timestamp, Warning, WarningCode};
use crate::os::progress::Phase;
use crate::provider::{PROVIDERS, RecordedProcess};

/// How old a look at sessions may be when a process is signalled.
const OLDEST_LOOK: Duration = Duration::from_secs(2);

impl ReleaseRun<'_> {
    /// Ends the processes of the plan, each of them looked at again right before, and waits for them.
    pub(in crate::clean) fn carry_out(
        &mut self,
        plan: ReleasePlan,
        journal: &Journal,
        run: &str,
    ) -> Result<(), Failure> {
        let ReleasePlan(chosen) = plan;
        if chosen.is_empty() {
            return Ok(());
        }

        let time = self.now();
        let planned = chosen.iter().map(|one| self.record(one, ReleaseEvent::Planned, run, time));
        journal.record_releases(planned)?;

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

        let ended = chosen.iter().map(|one| self.record(one, self.event(one), run, time));
        if let Err(failure) = journal.record_releases(ended) {
            self.warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
        }
        Ok(())
    }

    /// Signals each of them that is still to be ended.
    fn signal(&mut self, chosen: &[Chosen], time: Timestamp) -> Vec<Signalled> {
        let mut signalled: Vec<Signalled> = Vec::new();
        let mut done: Vec<ReleaseRecord> = Vec::new();
        let mut protections: Vec<Protection> = Vec::new();
        let mut looked = None;
        for (number, one) in chosen.iter().enumerate() {
            if looked.is_none_or(|at: Instant| at.elapsed() > OLDEST_LOOK) {
                looked = Some(Instant::now());
                let left: Vec<usize> = chosen[number..].iter().map(|one| one.subject).collect();
                let Ok(read) = self.protections(&left) else {
                    self.keep(one.subject, &KeptReason::LastUseUnknown);
                    looked = None;
                    continue;
                };
                protections = read;
                protections.reverse();
            }

            let Some(protection) = protections.pop() else { continue };
            if self.has_restarted(&done) {
                self.bridge.restarts = true;
            }
            match self.signal_one(one, protection) {
                Ok(target) => {
                    done.push(self.record(one, ReleaseEvent::Released, "", time));
                    signalled.push(target);
                }
                Err(why) => self.keep(one.subject, &why),
            }
        }
        signalled
    }

    /// Looks at the process for the last time, and signals it.
    fn signal_one(
        &mut self,
        one: &Chosen,
        protection: Protection,
    ) -> Result<Signalled, KeptReason> {
        let pid = self.candidate(one.subject).pid();
        let target = Target::open(pid, one.start).map_err(|why| match why {
            NotOpened::Ended => KeptReason::Ended,
            NotOpened::OtherProcess => KeptReason::OtherStart,
            NotOpened::Unsupported => KeptReason::NotAllowed,
        })?;

        let seen = self.look(&[one.subject]).map_err(|_| KeptReason::Unreadable)?;
        let Some(seen) = seen.first() else { return Err(KeptReason::Unreadable) };
        if let Some(why) = kept(&self.case_of(one, seen, protection)) {
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
    fn record(
        &self,
        one: &Chosen,
        event: ReleaseEvent,
        run: &str,
        time: Timestamp,
    ) -> ReleaseRecord {
        let subject = &self.subjects[one.subject];
        let mappings = subject.mappings.iter().filter(|_| subject.claim == Claim::Mapped);
        let mappings = mappings.filter_map(|mapping| self.observer.map.get(*mapping));
        ReleaseRecord {
            run: run.to_owned(),
            time: time.rfc3339().unwrap_or_default(),
            event,
            map: self.place.map.clone().map(Into::into),
            url: self.place.url.clone(),
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
