//! The touch of agents' stores: each by itself, so that a broken one keeps no other from it.

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::lock::{Lock, NoLock};
use super::place::{Folders, transcripts};
use super::{container, gateway, sqlite};
use crate::keepalive::job::{Agents, Touch, Which};
use crate::keepalive::openclaw::model::{Entry, Era, Field, Store, Touched, touch as raise};
use crate::model::{Timestamp, describe};
use crate::os::interrupt::Interrupt;
use crate::os::sibling::{Content, Replaced, SiblingFile};
use crate::process;

/// A larger store is none.
const LARGEST: u64 = 256 << 20;

/// How often a store that is written meanwhile is read again. Under the lock nobody should write at all.
const TRIES: usize = 5;

/// What a touch works with.
pub struct Touching<'a> {
    /// Where OpenClaw is.
    pub folders: &'a Folders,
    /// What is wanted.
    pub touch: &'a Touch,
    /// The time now.
    pub clock: fn() -> Timestamp,
    /// Asked to stop by a signal.
    pub interrupt: &'a Interrupt,
    /// Look, and write nothing.
    pub is_dry: bool,
}

/// What became of an agent's sessions.
#[derive(Debug)]
pub struct Agent {
    /// The agent.
    pub name: String,
    /// How it ended.
    pub end: Result<Done, No>,
}

/// What was done, or would be.
#[derive(Debug, Default)]
pub struct Done {
    /// The sessions that were wanted.
    pub touched: Touched,
    /// Why a power cut may undo it.
    pub unsure: Option<String>,
}

/// Why nothing was done.
#[derive(Debug)]
pub enum No {
    /// Somebody else is at work on the store.
    Busy(String),
    /// Now it may not be done, or need not be.
    Skipped(String),
    /// It could not be done.
    Failed(String),
    /// It never can be.
    Never(String),
}

/// Touches what is wanted.
///
/// # Errors
/// Why nothing could be begun.
pub fn touch(touching: &Touching<'_>) -> Result<Vec<Agent>, String> {
    let there = touching.folders.agents()?;
    let agents = match &touching.touch.agents {
        Agents::All => there.clone(),
        Agents::These(names) => names.clone(),
    };
    if agents.is_empty() {
        let state = touching.folders.state.display();
        return Err(format!("there are no OpenClaw agents in {state}"));
    }
    let gateway = touching.gateway()?;
    // Without a gateway there is nothing to do, wherever it may be.
    let waits = touching.touch.while_gateway && gateway.is_none();
    if !touching.touch.same_container
        && !waits
        && let Some(why) = container::why_not(gateway.is_some())
    {
        return Err(why);
    }
    let mut ends = Vec::new();
    for name in agents {
        if touching.interrupt.asked() {
            ends.push(Agent { name, end: Err(stopped()) });
            continue;
        }
        let end = if there.contains(&name) {
            touching.one(&name)
        } else {
            let state = touching.folders.state.display();
            Err(No::Failed(format!("there is no such agent in {state}")))
        };
        ends.push(Agent { name, end });
    }
    Ok(ends)
}

impl Touching<'_> {
    fn gateway(&self) -> Result<Option<u32>, String> {
        gateway::running(&self.folders.gateways(), (self.clock)())
    }

    fn one(&self, agent: &str) -> Result<Done, No> {
        let path = self.folders.store(agent);
        let beside = match SiblingFile::of(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.is_sqlite(agent)?;
                return Ok(Done::default());
            }
            opened => opened.map_err(|error| failed(&path, &describe(&error)))?,
        };
        // What there is to do is known before anything is locked, and decided anew under the lock.
        let seen = self.look(agent, &beside, &path)?;
        let Some((_, touched)) = seen else { return Ok(Done::default()) };
        if self.is_dry || touched.bytes.is_none() {
            return Ok(Done { touched, unsure: None });
        }
        let lock = Lock::take(&beside, self.clock, self.interrupt).map_err(|no| match no {
            NoLock::Busy(why) => No::Busy(why),
            NoLock::Failed(why) => No::Failed(why),
        })?;
        // Nobody else of ours writes there now.
        let _ = beside.sweep(|id| id != std::process::id() && !process::is_alive(id));
        for _ in 0..TRIES {
            let Some((content, touched)) = self.look(agent, &beside, &path)? else {
                return Ok(Done::default());
            };
            let Some(bytes) = &touched.bytes else { return Ok(Done { touched, unsure: None }) };
            let may = || lock.holds() && !self.interrupt.asked();
            let replaced = beside.replace(&content, bytes, may).map_err(|error| {
                No::Failed(format!("cannot replace {}: {}", path.display(), describe(&error)))
            })?;
            match replaced {
                Replaced::Done(error) => {
                    return Ok(Done { touched, unsure: error.map(|error| describe(&error)) });
                }
                Replaced::Changed if self.interrupt.asked() => {
                    return Err(stopped());
                }
                Replaced::Changed if !lock.holds() => {
                    let why = format!(
                        "another process took the lock of {}; nothing was changed",
                        path.display()
                    );
                    return Err(No::Busy(why));
                }
                Replaced::Changed => {}
            }
        }
        Err(No::Busy(format!("{} is being written without its lock", path.display())))
    }

    fn is_sqlite(&self, agent: &str) -> Result<(), No> {
        let database = self.folders.database(agent);
        match sqlite::holds_sessions(&database) {
            Ok(false) => Ok(()),
            Ok(true) => Err(No::Never(
                "OpenClaw 2026.7.2 and later use an SQLite store, which is never changed from outside; \
                 remove session.reset from openclaw.json, or set it to {mode: \"idle\"}"
                    .to_owned(),
            )),
            Err(error) => Err(failed(&database, &describe(&error))),
        }
    }

    /// What is in the store, and what is to become of it; nothing where there is none.
    fn look(
        &self,
        agent: &str,
        beside: &SiblingFile,
        path: &Path,
    ) -> Result<Option<(Content, Touched)>, No> {
        self.is_sqlite(agent)?;
        let read = beside.read(beside.name(), LARGEST);
        let Some(mut content) = read.map_err(|error| failed(path, &describe(&error)))? else {
            return Ok(None);
        };
        let store = Store::parse(std::mem::take(&mut content.bytes))
            .map_err(|why| failed(path, &format!("{why}; the file was left unchanged")))?;
        self.may(store.era())?;
        let transcripts = self.transcripts(agent, path)?;
        let now = (self.clock)();
        let is_ours = |entry: &Entry| !self.folders.is_shared() || belongs(&entry.key, agent);
        let is_wanted = |entry: &Entry| {
            is_ours(entry)
                && match &self.touch.which {
                    Which::Named(keys) => keys.contains(&entry.key),
                    Which::ActiveWithin(span) => {
                        used(entry, &transcripts).is_some_and(|used| is_within(used, *span, now))
                    }
                }
        };
        let milliseconds = u64::try_from(now.since_1970().as_millis()).unwrap_or(0);
        let touched = raise(&store, &self.folders.settings, is_wanted, milliseconds);
        content.bytes = store.into_bytes();
        Ok(Some((content, touched)))
    }

    /// Whether a store of that era may be written now.
    fn may(&self, era: Era) -> Result<(), No> {
        const INSTEAD: &str = "set session.reset to {mode: \"idle\"} in openclaw.json instead";
        let gateway = self.gateway().map_err(No::Failed)?;
        match (era, gateway) {
            (Era::Late, Some(process)) => Err(No::Skipped(format!(
                "the gateway is running (process {process}), and OpenClaw 2026.4.25 and later only \
                 allow changes while it is stopped; {INSTEAD}"
            ))),
            (Era::Late, None) if self.touch.while_gateway => Err(No::Skipped(format!(
                "while_gateway only works with OpenClaw before 2026.4.25; {INSTEAD}"
            ))),
            (Era::Early, None) if self.touch.while_gateway => {
                Err(No::Skipped("the gateway is not running".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn transcripts(&self, agent: &str, path: &Path) -> Result<BTreeMap<String, Timestamp>, No> {
        let mut found = BTreeMap::new();
        if matches!(self.touch.which, Which::ActiveWithin(_)) {
            let own = self.folders.sessions(agent);
            let beside = path.parent().map(Path::to_owned);
            let folders: HashSet<_> = beside.into_iter().chain([own]).collect();
            for folder in folders {
                transcripts(&folder, &mut found).map_err(No::Failed)?;
            }
        }
        Ok(found)
    }
}

/// When the newest transcript of that session was written. No path is built from what the store says:
/// names are compared with those that are there.
fn used(entry: &Entry, transcripts: &BTreeMap<String, Timestamp>) -> Option<Timestamp> {
    let told = entry.file.as_ref().and_then(|file| transcripts.get(file)).copied();
    let session = entry.session.as_deref().filter(|session| !session.is_empty());
    let own = session.and_then(|session| {
        let topic = format!("{session}-topic-");
        let of_topics = transcripts.range(topic.clone()..);
        let of_topics = of_topics.take_while(|(name, _)| name.starts_with(&topic));
        let plain = transcripts.get(&format!("{session}.jsonl"));
        of_topics.map(|(_, written)| *written).chain(plain.copied()).max()
    });
    told.max(own)
}

/// In doubt, as where it was written in the future, it is in use.
fn is_within(used: Timestamp, span: Duration, now: Timestamp) -> bool {
    used >= now.earlier(span)
}

/// Whether the session of that key is that agent's, where all have one store.
fn belongs(key: &str, agent: &str) -> bool {
    match key.strip_prefix("agent:") {
        Some(rest) => rest.split(':').next() == Some(agent),
        None => agent == "main",
    }
}

fn stopped() -> No {
    No::Busy("stopped by a signal".to_owned())
}

fn failed(path: &Path, why: &str) -> No {
    No::Failed(format!("cannot read {}: {why}", path.display()))
}

impl Agent {
    /// The keys of the sessions that were touched, or would be.
    pub fn raised(&self) -> &[String] {
        self.touched().map_or(&[], |touched| &touched.raised)
    }

    /// A line for each session that was wanted and not touched.
    pub fn notes(&self) -> Vec<String> {
        let Some(touched) = self.touched() else { return Vec::new() };
        let future = |(key, field): &(String, Field)| {
            format!("{key}: its {} is in the future and was left unchanged", field.name())
        };
        let timeless = |key: &String| format!("{key}: it has no time to update");
        let safe = |key: &String| format!("{key}: OpenClaw's configuration never resets it");
        let notes = touched.future.iter().map(future);
        let notes = notes.chain(touched.timeless.iter().map(timeless));
        notes.chain(touched.safe.iter().map(safe)).collect()
    }

    /// The keys of all the sessions that were wanted and are there.
    pub fn found(&self) -> impl Iterator<Item = &str> {
        self.touched().into_iter().flat_map(|touched| {
            let keys = touched.raised.iter().chain(&touched.timeless).chain(&touched.safe);
            keys.chain(touched.future.iter().map(|(key, _)| key)).map(String::as_str)
        })
    }

    fn touched(&self) -> Option<&Touched> {
        self.end.as_ref().ok().map(|done| &done.touched)
    }
}
