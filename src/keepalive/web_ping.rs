//! `claude-web-ping`: one tiny message on Claude's web page, in a conversation of its own that is
//! deleted again, also where something went wrong.
//!
//! The id of that conversation is written down before it is made, so that one which was left behind,
//! by a kill or a failed deletion, is deleted by the next run.

use super::{Keeper, action};
use crate::keepalive::job::{Conversation, Job, Outcome, WebPing};
use crate::keepalive::store::Jobs;
use crate::keepalive::web::{Reply, Site, Trouble};
use crate::model::Timestamp;

/// As many conversations that could not be deleted are remembered, the newest.
const REMEMBERED: usize = 100;

/// As many of them are deleted in one run, so that there is time left for the ping.
const TIDIED: usize = 10;

/// What tells the key that a job uses from another one; nothing where there is none.
pub(super) fn credential(keeper: &Keeper<'_>, ping: &WebPing) -> Option<String> {
    Some(keeper.keys.find(ping.key_file.as_deref()).ok()?.0.fingerprint())
}

/// Where the key comes from.
///
/// # Errors
/// Why there is none.
pub(super) fn login(keeper: &Keeper<'_>, ping: &WebPing) -> Result<String, String> {
    let (key, place) = keeper.keys.find(ping.key_file.as_deref())?;
    let odd = if key.looks_right() { "" } else { ", but it does not look like one" };
    Ok(format!("the session key comes from {place}{odd}"))
}

/// One ping.
pub(super) fn run(keeper: &Keeper<'_>, job: &Job, ping: &WebPing, known: &mut Jobs) -> Outcome {
    let key = match keeper.keys.find(ping.key_file.as_deref()) {
        Ok((key, _)) => key,
        // As with one that has expired, it runs again once there is another one.
        Err(why) => return Outcome::Refused { why },
    };
    let stopped = || keeper.interrupt.asked();
    let site = Site::new(&ping.origin, key, keeper.limits.web, &stopped);
    let mut notes = Notes { keeper, job, known };
    let (reply, left) = match pinged(&site, &mut notes) {
        Ok(done) => done,
        Err(trouble) => return outcome_of(trouble),
    };
    Outcome::Answered {
        window_ends: reply.window_ends,
        warning: left.map(|why| {
            format!("its conversation could not be deleted; the next run tries again: {why}")
        }),
    }
}

/// A whole ping: what was answered, and why its conversation could not be deleted, if so.
fn pinged(site: &Site<'_>, notes: &mut Notes<'_, '_>) -> Result<(Reply, Option<String>), Trouble> {
    tidy(site, notes)?;
    let mut own = Site::invent(site.organization(notes.now())?);
    notes.add(own.clone())?;
    match site.begin(&own, notes.now()) {
        Ok(id) if id == own.id => {}
        Ok(id) => {
            // The page goes by an id of its own. Ours leads nowhere.
            let ours = std::mem::replace(&mut own.id, id);
            notes.add(own.clone())?;
            notes.forget(&Conversation { id: ours, ..own.clone() })?;
        }
        Err(trouble) if trouble.is_a_no() => {
            notes.forget(&own)?;
            return Err(trouble);
        }
        Err(trouble) => {
            // Nobody knows whether it was made. That there is none is believed in the next run: it
            // may yet be made after this deletion.
            if let Ok(true) = site.delete(&own, notes.now()) {
                notes.forget(&own)?;
            }
            return Err(trouble);
        }
    }
    let said = site.say(&own, notes.job.zone.name(), notes.now());
    let left = match site.delete(&own, notes.now()) {
        Ok(_) => {
            notes.forget(&own)?;
            None
        }
        Err(trouble) => Some(outcome_of(trouble).to_string()),
    };
    Ok((said?, left))
}

/// Deletes what earlier runs have left. What cannot be deleted keeps nothing else from being done,
/// unless the page says that it has had enough.
fn tidy(site: &Site<'_>, notes: &mut Notes<'_, '_>) -> Result<(), Trouble> {
    for left in notes.all().into_iter().take(TIDIED) {
        match site.delete(&left, notes.now()) {
            Ok(_) => notes.forget(&left)?,
            // It may be another account's. The others come first the next time. Where there was no answer,
            // they would get none.
            Err(Trouble::Failed { status: Some(_), .. }) => {
                notes.forget(&left)?;
                notes.add(left)?;
            }
            Err(Trouble::Failed { .. }) => return Ok(()),
            Err(trouble) => return Err(trouble),
        }
        if notes.keeper.interrupt.asked() {
            return Err(Trouble::Stopped);
        }
    }
    Ok(())
}

fn outcome_of(trouble: Trouble) -> Outcome {
    match trouble {
        Trouble::Stopped => action::stopped(),
        Trouble::Refused(why) => Outcome::Refused { why },
        Trouble::Limited { until } => action::limited(until),
        Trouble::Failed { why, .. } => Outcome::Failed { why },
    }
}

/// What is written down of a job's conversations, on disk before anything else is done.
struct Notes<'a, 'k> {
    keeper: &'a Keeper<'k>,
    job: &'a Job,
    known: &'a mut Jobs,
}

impl Notes<'_, '_> {
    fn now(&self) -> Timestamp {
        self.keeper.now()
    }

    fn all(&mut self) -> Vec<Conversation> {
        self.list().clone()
    }

    fn add(&mut self, conversation: Conversation) -> Result<(), Trouble> {
        let list = self.list();
        list.push(conversation);
        let too_many = list.len().saturating_sub(REMEMBERED);
        list.drain(..too_many);
        self.write()
    }

    fn forget(&mut self, conversation: &Conversation) -> Result<(), Trouble> {
        self.list().retain(|other| other != conversation);
        self.write()
    }

    fn list(&mut self) -> &mut Vec<Conversation> {
        &mut self.known.jobs.entry(self.job.id.clone()).or_default().conversations
    }

    fn write(&self) -> Result<(), Trouble> {
        let written = self.keeper.store.write(self.known);
        written.map_err(|failure| Trouble::Failed { why: failure.message, status: None })
    }
}
