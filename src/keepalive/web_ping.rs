//! `claude-web-ping`: one tiny message on Claude's web page, in a conversation of its own, which is
//! deleted afterwards, also after an error.
//!
//! The id of that conversation is stored before it is made, so that the next run deletes one that a kill
//! or a failed deletion has left.

use std::mem;

use super::job::{Conversation, Job, Outcome, WebPing};
use super::keeper::Keeper;
use super::pass::Pass;
use super::web::{CallError, Reply, Site};
use crate::model::Timestamp;

/// How many conversations that could not be deleted are remembered, newest first.
const REMEMBERED: usize = 100;

/// How many of them are deleted in one run, so that there is time left for the ping.
const DELETED_AT_ONCE: usize = 10;

/// Returns a hash of the key that a job uses, if there is one.
pub(super) fn credential(keeper: &Keeper<'_>, ping: &WebPing) -> Option<String> {
    Some(keeper.keys.find(ping.key_file.as_deref()).ok()?.0.fingerprint())
}

pub(super) fn login(keeper: &Keeper<'_>, ping: &WebPing) -> Result<String, String> {
    let (key, source) = keeper.keys.find(ping.key_file.as_deref())?;
    let odd = if key.looks_right() { "" } else { ", but it does not look like one" };
    Ok(format!("the session key comes from {source}{odd}"))
}

pub(super) fn run(pass: &mut Pass<'_>, job: &Job, ping: &WebPing) -> Outcome {
    let keeper = pass.keeper;
    let key = match keeper.keys.find(ping.key_file.as_deref()) {
        Ok((key, _)) => key,
        // As with a key that has expired, the job runs again once there is another one.
        Err(why) => return Outcome::Refused { why },
    };
    let stopped = || keeper.interrupt.asked();
    let site = Site::new(&ping.origin, key, keeper.limits.web, &stopped);

    match (Ping { site: &site, pass, job }).run() {
        Err(error) => outcome_of(error),
        Ok((reply, left)) => Outcome::Answered {
            window_ends: reply.window_ends,
            warning: left.map(|why| {
                format!("its conversation could not be deleted; the next run tries again: {why}")
            }),
        },
    }
}

fn outcome_of(error: CallError) -> Outcome {
    match error {
        CallError::Stopped => Outcome::stopped(),
        CallError::Refused { why, .. } => Outcome::Refused { why },
        CallError::Limited { until } => Outcome::limited(until),
        CallError::Failed { why, .. } => Outcome::Failed { why },
    }
}

struct Ping<'a, 'p> {
    site: &'a Site<'a>,
    pass: &'a mut Pass<'p>,
    job: &'a Job,
}

impl Ping<'_, '_> {
    /// Returns the reply, and why its conversation could not be deleted, if so.
    fn run(&mut self) -> Result<(Reply, Option<String>), CallError> {
        self.delete_left()?;
        let conversation = self.begin()?;
        let reply = self.site.prompt(&conversation, self.job.zone.name(), self.now());
        let left = match self.site.delete(&conversation, self.now()) {
            Ok(_) => {
                self.forget(&conversation)?;
                None
            }
            Err(error) => Some(outcome_of(error).to_string()),
        };
        Ok((reply?, left))
    }

    /// Makes a conversation, which is remembered until it is deleted.
    fn begin(&mut self) -> Result<Conversation, CallError> {
        let mut own = Site::invent(self.site.organization(self.now())?);
        self.remember(own.clone())?;
        match self.site.begin(&own, self.now()) {
            Ok(id) if id == own.id => Ok(own),
            Ok(id) => {
                // The page has chosen another id, so there is nothing under ours.
                let ours = mem::replace(&mut own.id, id);
                self.remember(own.clone())?;
                self.forget(&Conversation { id: ours, ..own.clone() })?;
                Ok(own)
            }
            Err(error) if error.is_certain() => {
                self.forget(&own)?;
                Err(error)
            }
            Err(error) => {
                // It may have been made. If it is not found, it may yet be made after this deletion, so
                // only the next run takes that for an answer.
                if let Ok(true) = self.site.delete(&own, self.now()) {
                    self.forget(&own)?;
                }
                Err(error)
            }
        }
    }

    /// Deletes conversations that earlier runs have left. The ping goes on without those that cannot be
    /// deleted, unless the page limits or refuses our calls.
    fn delete_left(&mut self) -> Result<(), CallError> {
        for left in self.remembered().clone().into_iter().take(DELETED_AT_ONCE) {
            match self.site.delete(&left, self.now()) {
                Ok(_) => self.forget(&left)?,
                // It may be another account's. The next time, the others come first.
                Err(CallError::Failed { status: Some(_), .. }) => {
                    self.forget(&left)?;
                    self.remember(left)?;
                }
                // Without an answer to this one, there would be none to the others.
                Err(CallError::Failed { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
            if self.pass.keeper.interrupt.asked() {
                return Err(CallError::Stopped);
            }
        }

        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.pass.keeper.now()
    }

    fn remembered(&mut self) -> &mut Vec<Conversation> {
        &mut self.pass.state(self.job).conversations
    }

    fn remember(&mut self, conversation: Conversation) -> Result<(), CallError> {
        let list = self.remembered();
        list.push(conversation);
        let too_many = list.len().saturating_sub(REMEMBERED);
        list.drain(..too_many);
        self.save()
    }

    fn forget(&mut self, conversation: &Conversation) -> Result<(), CallError> {
        self.remembered().retain(|other| other != conversation);
        self.save()
    }

    fn save(&self) -> Result<(), CallError> {
        let saved = self.pass.save();
        saved.map_err(|failure| CallError::Failed { why: failure.message, status: None })
    }
}
