//! The touch of agents' stores: each by itself, so that a broken one does not stop the others.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::lock::Lock;
use super::model::{Entry, Era, Store, Touched, touch as raise};
use super::paths::{Folders, add_transcripts};
use super::{container, gateway, sqlite};
use crate::keepalive::job::{Agents, Outcome, Touch, Which};
use crate::model::{Timestamp, describe};
use crate::os::interrupt::Interrupt;
use crate::os::sibling::{Content, Replaced, SiblingFile};
use crate::process;

/// A larger file is not a store.
const LARGEST: u64 = 256 << 20;

/// How often a store that is written meanwhile is read again. Under the lock that should not happen.
const TRIES: usize = 5;

const SQLITE: &str = "OpenClaw 2026.7.2 and later use an SQLite store, which is never changed from \
                      outside; remove session.reset from openclaw.json, or set it to {mode: \"idle\"}";

pub struct TouchRun<'a> {
    pub folders: &'a Folders,
    pub touch: &'a Touch,
    pub clock: fn() -> Timestamp,
    pub interrupt: &'a Interrupt,
    pub is_dry: bool,
}

#[derive(Debug)]
pub struct Agent {
    pub name: String,
    /// The error is the outcome of a job for this agent alone.
    pub result: Result<Done, Outcome>,
}

/// What was done, or would be.
#[derive(Debug, Default)]
pub struct Done {
    pub touched: Touched,
    /// Why a power failure may undo it.
    pub not_synced: Option<String>,
}

/// Touches the sessions of each agent. Fails if nothing could be begun.
pub fn touch(run: &TouchRun<'_>) -> Result<Vec<Agent>, String> {
    let existing = run.folders.agents()?;
    let agents = match &run.touch.agents {
        Agents::All => existing.clone(),
        Agents::These(names) => names.clone(),
    };
    let state = run.folders.state.display();
    if agents.is_empty() {
        return Err(format!("there are no OpenClaw agents in {state}"));
    }

    let gateway = run.gateway()?;
    // A job that waits for a gateway has nothing to do, whatever container OpenClaw is in.
    let waits = run.touch.while_gateway && gateway.is_none();
    if !run.touch.same_container
        && !waits
        && let Some(why) = container::why_not(gateway.is_some())
    {
        return Err(why);
    }

    let results = agents.into_iter().map(|name| {
        let result = if run.interrupt.asked() {
            Err(Outcome::stopped())
        } else if existing.contains(&name) {
            run.touch_agent(&name)
        } else {
            Err(Outcome::failed(format!("there is no such agent in {state}")))
        };
        Agent { name, result }
    });
    Ok(results.collect())
}

impl TouchRun<'_> {
    fn gateway(&self) -> Result<Option<u32>, String> {
        gateway::running(&self.folders.gateways(), (self.clock)())
    }

    fn touch_agent(&self, agent: &str) -> Result<Done, Outcome> {
        let path = self.folders.store(agent);
        let sibling = match SiblingFile::of(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.check_sqlite(agent)?;
                return Ok(Done::default());
            }
            opened => opened.map_err(|error| unreadable(&path, &describe(&error)))?,
        };
        // Nothing is locked without need, and what is to be done is decided again under the lock.
        let Some((_, touched)) = self.look(agent, &sibling, &path)? else {
            return Ok(Done::default());
        };
        if self.is_dry || touched.bytes.is_none() {
            return Ok(Done { touched, not_synced: None });
        }

        let lock = Lock::take(&sibling, self.clock, self.interrupt)?;
        // No other process of ours writes there now.
        let _ = sibling.sweep(|id| id != std::process::id() && !process::is_alive(id));
        for _ in 0..TRIES {
            let Some((content, touched)) = self.look(agent, &sibling, &path)? else {
                return Ok(Done::default());
            };
            let Some(bytes) = &touched.bytes else {
                return Ok(Done { touched, not_synced: None });
            };
            let replaced =
                sibling.replace(&content, bytes, || lock.holds() && !self.interrupt.asked());
            match replaced.map_err(|error| cannot_replace(&path, &error))? {
                Replaced::Done(error) => {
                    return Ok(Done { touched, not_synced: error.map(|error| describe(&error)) });
                }
                Replaced::Changed if self.interrupt.asked() => return Err(Outcome::stopped()),
                Replaced::Changed if !lock.holds() => return Err(lost_lock(&path)),
                Replaced::Changed => {}
            }
        }

        Err(Outcome::later(format!("{} is being written without its lock", path.display())))
    }

    /// Fails if the agent's sessions are in a database.
    fn check_sqlite(&self, agent: &str) -> Result<(), Outcome> {
        let database = self.folders.database(agent);
        match sqlite::holds_sessions(&database) {
            Ok(false) => Ok(()),
            Ok(true) => Err(Outcome::Refused { why: SQLITE.to_owned() }),
            Err(error) => Err(unreadable(&database, &describe(&error))),
        }
    }

    /// Reads the store, if there is one, and decides what to change.
    fn look(
        &self,
        agent: &str,
        sibling: &SiblingFile,
        path: &Path,
    ) -> Result<Option<(Content, Touched)>, Outcome> {
        self.check_sqlite(agent)?;
        let read = sibling.read(sibling.name(), LARGEST);
        let read = read.map_err(|error| unreadable(path, &describe(&error)))?;
        let Some(mut content) = read else { return Ok(None) };
        let store = Store::parse(std::mem::take(&mut content.bytes))
            .map_err(|why| unreadable(path, &format!("{why}; the file was left unchanged")))?;
        self.check_era(store.era())?;

        let transcripts = self.transcripts(agent, path)?;
        let now = (self.clock)();
        let milliseconds = u64::try_from(now.since_1970().as_millis()).unwrap_or(0);
        let touched = raise(
            &store,
            &self.folders.settings,
            |entry| self.is_selected(entry, agent, &transcripts, now),
            milliseconds,
        );
        content.bytes = store.into_bytes();
        Ok(Some((content, touched)))
    }

    fn is_selected(
        &self,
        entry: &Entry,
        agent: &str,
        transcripts: &BTreeMap<String, Timestamp>,
        now: Timestamp,
    ) -> bool {
        let is_of_agent = !self.folders.is_shared() || belongs(&entry.key, agent);
        is_of_agent
            && match &self.touch.which {
                Which::Named(keys) => keys.contains(&entry.key),
                // A time in the future counts as well: when in doubt, it is in use.
                Which::ActiveWithin(span) => {
                    last_use(entry, transcripts).is_some_and(|used| used >= now.earlier(*span))
                }
            }
    }

    /// Fails if a store of that era may not be written now.
    fn check_era(&self, era: Era) -> Result<(), Outcome> {
        const INSTEAD: &str = "set session.reset to {mode: \"idle\"} in openclaw.json instead";
        let gateway = self.gateway().map_err(Outcome::failed)?;
        let why = match (era, gateway) {
            (Era::Late, Some(process)) => format!(
                "the gateway is running (process {process}), and OpenClaw 2026.4.25 and later only \
                 allow changes while it is stopped; {INSTEAD}"
            ),
            (Era::Late, None) if self.touch.while_gateway => {
                format!("while_gateway only works with OpenClaw before 2026.4.25; {INSTEAD}")
            }
            (Era::Early, None) if self.touch.while_gateway => {
                "the gateway is not running".to_owned()
            }
            _ => return Ok(()),
        };
        Err(Outcome::Skipped { why })
    }

    fn transcripts(
        &self,
        agent: &str,
        path: &Path,
    ) -> Result<BTreeMap<String, Timestamp>, Outcome> {
        let mut found = BTreeMap::new();
        if matches!(self.touch.which, Which::ActiveWithin(_)) {
            let own = self.folders.sessions(agent);
            let folders: HashSet<&Path> = path.parent().into_iter().chain([&*own]).collect();
            for folder in folders {
                add_transcripts(folder, &mut found).map_err(Outcome::failed)?;
            }
        }

        Ok(found)
    }
}

fn unreadable(path: &Path, why: &str) -> Outcome {
    Outcome::failed(format!("cannot read {}: {why}", path.display()))
}

fn cannot_replace(path: &Path, error: &io::Error) -> Outcome {
    Outcome::failed(format!("cannot replace {}: {}", path.display(), describe(error)))
}

fn lost_lock(path: &Path) -> Outcome {
    let path = path.display();
    Outcome::later(format!("another process took the lock of {path}; nothing was changed"))
}

/// Returns when the newest transcript of that session was written. The text of a store never becomes part
/// of a path: names are compared with those of the existing files.
fn last_use(entry: &Entry, transcripts: &BTreeMap<String, Timestamp>) -> Option<Timestamp> {
    let named = entry.file.as_ref().and_then(|file| transcripts.get(file)).copied();
    let session = entry.session.as_deref().filter(|session| !session.is_empty());
    let own = session.and_then(|session| {
        let topic = format!("{session}-topic-");
        let of_topics = transcripts.range(topic.clone()..);
        let of_topics = of_topics.take_while(|(name, _)| name.starts_with(&topic));
        let plain = transcripts.get(&format!("{session}.jsonl"));
        of_topics.map(|(_, written)| written).chain(plain).copied().max()
    });
    named.max(own)
}

/// Returns true if the session of that key is that agent's, in a store of all agents.
fn belongs(key: &str, agent: &str) -> bool {
    match key.strip_prefix("agent:") {
        Some(rest) => rest.split(':').next() == Some(agent),
        None => agent == "main",
    }
}

impl Agent {
    /// Returns the keys of the sessions that were touched, or would be.
    pub fn raised(&self) -> &[String] {
        self.touched().map_or(&[], |touched| &touched.raised)
    }

    /// Returns a line for each selected session that was not touched.
    pub fn notes(&self) -> Vec<String> {
        let Some(touched) = self.touched() else { return Vec::new() };
        let mut notes = Vec::new();
        for (key, field) in &touched.future {
            let field = field.name();
            notes.push(format!("{key}: its {field} is in the future and was left unchanged"));
        }

        for key in &touched.timeless {
            notes.push(format!("{key}: it has no time to update"));
        }
        for key in &touched.safe {
            notes.push(format!("{key}: OpenClaw's configuration never resets it"));
        }

        notes
    }

    /// Returns the keys of all the selected sessions that exist.
    pub fn found(&self) -> impl Iterator<Item = &str> {
        self.touched().into_iter().flat_map(|touched| {
            let keys = touched.raised.iter().chain(&touched.timeless).chain(&touched.safe);
            keys.chain(touched.future.iter().map(|(key, _)| key)).map(String::as_str)
        })
    }

    fn touched(&self) -> Option<&Touched> {
        self.result.as_ref().ok().map(|done| &done.touched)
    }
}
