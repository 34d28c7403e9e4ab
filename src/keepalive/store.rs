//! The stored state of the jobs: one file in the state folder, a lock for a pass, and one for the
//! service.
//!
//! A file that cannot be parsed is set aside and never overwritten. Until a user has looked at it, no job
//! runs, since the failures and limits in it are unknown.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::job::{Job, JobState};
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::folder::Links;
use crate::os::lock::Lock;
use crate::os::{create, publish, reading};

const FILE: &str = "keepalive.json";
const BROKEN: &str = "keepalive.json.broken";
/// The names of the two files when the command was still called `keep`.
const FORMER: [(&str, &str); 2] = [("keep.json", FILE), ("keep.json.broken", BROKEN)];

const LOCK: &str = "keepalive.lock";
const SERVING: &str = "serve.lock";

/// A larger file is not ours.
const LARGEST: u64 = 16 << 20;
const LARGEST_LOCK: u64 = 1 << 10;

#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// The state of each job, by its id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Jobs {
    schema: u32,
    /// Jobs that are no longer configured stay: they may come back.
    pub jobs: BTreeMap<String, JobState>,
}

impl Jobs {
    pub fn state(&mut self, job: &Job) -> &mut JobState {
        self.jobs.entry(job.id.clone()).or_default()
    }
}

impl Store {
    /// The folder need not exist yet.
    pub fn at(state: &Path) -> Self {
        Self { folder: state.to_owned() }
    }

    /// Takes the lock of a pass; exit code 75 if another one has it.
    pub fn begin(&self) -> Result<Lock, Failure> {
        let path = self.folder.join(LOCK);
        if let Some(lock) = self.lock(&path)? {
            self.rename_former()?;
            return Ok(lock);
        }

        let message = format!("another pass holds the lock {}", path.display());
        Err(Failure::new(message)
            .with(Exit::Locked)
            .hint("nothing was done; try again when that pass has finished"))
    }

    /// Takes the lock of the service; exit code 75, with its process, if another one has it.
    pub fn serving(&self) -> Result<Lock, Failure> {
        let path = self.folder.join(SERVING);
        if let Some(lock) = self.lock(&path)? {
            // Only for the message below: the lock is what counts.
            let process = format!("{}\n", std::process::id());
            let mut file = lock.file();
            let _ = file.set_len(0).and_then(|()| file.write_all(process.as_bytes()));
            return Ok(lock);
        }

        let process = reading::whole(&path, Links::Refuse, LARGEST_LOCK).unwrap_or_default();
        let process = String::from_utf8_lossy(&process);
        let folder = self.folder.display();
        let process = process.trim();
        let message = format!("another keepalive serve uses {folder}, as process {process}");
        Err(Failure::new(message)
            .with(Exit::Locked)
            .hint("stop it, or use another folder with --state-dir DIR"))
    }

    /// Returns true if that lock is still the one of this folder, and not of one that was removed.
    pub fn is_held(&self, serving: &Lock) -> bool {
        serving.is_still_at(&self.folder.join(SERVING))
    }

    fn lock(&self, path: &Path) -> Result<Option<Lock>, Failure> {
        let lock = create::create_private_folders(&self.folder)
            .and_then(|()| Lock::take(path, Duration::ZERO));
        lock.map_err(|error| failed("lock", path, &error))
    }

    fn rename_former(&self) -> Result<(), Failure> {
        for (former, name) in FORMER {
            let (from, to) = (self.folder.join(former), self.folder.join(name));
            if exists(&from) && !exists(&to) {
                rename("rename", &from, &to)?;
            }
        }
        Ok(())
    }

    /// Returns the path of that file, under its former name if it has no other.
    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        let former = FORMER.iter().find(|(_, new)| *new == name);
        let former = former.map(|(former, _)| self.folder.join(former));
        former.filter(|former| !exists(&path) && exists(former)).unwrap_or(path)
    }

    /// Reads the state; empty if there is no file yet. Fails if the file is broken, or a broken one was
    /// set aside that no user has looked at.
    pub fn read(&self) -> Result<Jobs, Failure> {
        let broken = self.path(BROKEN);
        if exists(&broken) {
            return Err(not_looked_at(&broken));
        }
        let path = self.path(FILE);
        if let Some(jobs) = parse(&path)? {
            return Ok(jobs);
        }
        let broken = self.folder.join(BROKEN);
        rename("set aside", &path, &broken)?;
        Err(not_looked_at(&broken))
    }

    /// As [`Self::read`], for a dry run, which sets nothing aside.
    pub fn peek(&self) -> Result<Jobs, Failure> {
        match self.look()? {
            (jobs, None) => Ok(jobs),
            (_, Some(broken)) => Err(not_looked_at(&broken)),
        }
    }

    /// Reads the state for a command that changes nothing. A broken file counts as empty, and its path
    /// is returned too.
    pub fn look(&self) -> Result<(Jobs, Option<PathBuf>), Failure> {
        let (path, broken) = (self.path(FILE), self.path(BROKEN));
        let jobs = parse(&path)?;
        let broken = Some(broken).filter(|broken| exists(broken));
        let broken = broken.or_else(|| jobs.is_none().then_some(path));
        Ok((jobs.unwrap_or_default(), broken))
    }

    /// Gives the broken file that a user has looked at another name, so that jobs run again. Returns
    /// that name.
    pub fn acknowledge(&self, now: Timestamp) -> Result<Option<PathBuf>, Failure> {
        let (_, Some(broken)) = self.look()? else { return Ok(None) };
        let to = self.folder.join(format!("{BROKEN}.{}", now.compact()));
        rename("set aside", &broken, &to)?;
        Ok(Some(to))
    }

    pub fn write(&self, jobs: &Jobs) -> Result<(), Failure> {
        let path = self.folder.join(FILE);
        self.try_write(&path, jobs).map_err(|error| failed("write", &path, &error))
    }

    fn try_write(&self, path: &Path, jobs: &Jobs) -> io::Result<()> {
        create::create_private_folders(&self.folder)?;
        let mut bytes = serde_json::to_vec_pretty(&Jobs { schema: 1, jobs: jobs.jobs.clone() })?;
        bytes.push(b'\n');
        publish::publish(path, &bytes, 0o600)
    }
}

/// Returns the state in a file, or nothing if it is broken.
fn parse(path: &Path) -> Result<Option<Jobs>, Failure> {
    match reading::whole(path, Links::Refuse, LARGEST) {
        Ok(bytes) => {
            let jobs: Option<Jobs> = serde_json::from_slice(&bytes).ok();
            Ok(jobs.filter(|jobs| jobs.schema == 1))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Some(Jobs::default()))
        }
        Err(error) => Err(failed("read", path, &error)),
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[expect(clippy::disallowed_methods, reason = "a state file only gets another name")]
fn rename(what: &str, from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| failed(what, from, &error))
}

fn not_looked_at(broken: &Path) -> Failure {
    let path = broken.display();
    Failure::new(format!("the state of the jobs is damaged ({path}); no job runs"))
        .hint("run session-warden keepalive status: it shows what is left, and jobs run again")
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {}", path.display(), describe(error)))
        .hint("check its permissions, or use another state folder with --state-dir DIR")
}
