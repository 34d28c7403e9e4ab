//! What keep-alive remembers of its jobs: one file in the state folder, and a lock for a pass.
//!
//! A file that cannot be read is set aside and never written over; until a user has looked at it,
//! no job runs, since what it said of failures and limits is not known.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keepalive::job::JobState;
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::folder::Folder;
use crate::os::lock::Lock;
use crate::os::{create, publish};

const FILE: &str = "keepalive.json";
const BROKEN: &str = "keepalive.json.broken";
/// The names that the two files had when the command was still called `keep`.
const FORMER: [(&str, &str); 2] = [("keep.json", FILE), ("keep.json.broken", BROKEN)];

const LOCK: &str = "keepalive.lock";
const SERVING: &str = "serve.lock";

/// A larger file is none of ours.
const LARGEST: u64 = 16 << 20;

/// The state folder, as keep-alive uses it.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// What is known of each job, by its id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Jobs {
    schema: u32,
    /// Those that are no longer configured stay: they may come back.
    pub jobs: BTreeMap<String, JobState>,
}

impl Store {
    /// The store in that state folder, which need not exist yet.
    pub fn at(state: &Path) -> Self {
        Self { folder: state.to_owned() }
    }

    /// Begins a pass. Exit code 75 where one is under way.
    ///
    /// # Errors
    /// Where the lock cannot be had.
    pub fn begin(&self) -> Result<Lock, Failure> {
        let path = self.folder.join(LOCK);
        if let Some(lock) = self.lock(&path)? {
            self.take_over()?;
            return Ok(lock);
        }
        let message = format!("another pass holds the lock {}", path.display());
        Err(Failure::new(message)
            .with(Exit::Locked)
            .hint("nothing was done; try again when that pass has finished"))
    }

    /// Renames the files that still have a former name.
    fn take_over(&self) -> Result<(), Failure> {
        for (former, name) in FORMER {
            let (from, to) = (self.folder.join(former), self.folder.join(name));
            if from.symlink_metadata().is_ok() && to.symlink_metadata().is_err() {
                rename(&from, &to).map_err(|error| failed("rename", &from, &error))?;
            }
        }
        Ok(())
    }

    /// Returns the path of that file, under its former name if it has no other.
    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        let former = FORMER.iter().find(|(_, new)| *new == name);
        let former = former.map(|(former, _)| self.folder.join(former));
        match former {
            Some(former)
                if path.symlink_metadata().is_err() && former.symlink_metadata().is_ok() =>
            {
                former
            }
            _ => path,
        }
    }

    /// Returns true if that lock is still the one of this folder, and not of one that was removed.
    pub fn is_held(&self, serving: &Lock) -> bool {
        serving.is_held(&self.folder.join(SERVING))
    }

    fn lock(&self, path: &Path) -> Result<Option<Lock>, Failure> {
        let lock = create::create_private_folders(&self.folder)
            .and_then(|()| Lock::take(path, Duration::ZERO));
        lock.map_err(|error| failed("lock", path, &error))
    }

    /// Begins to serve from here. Exit code 75, with its process, where another one does.
    ///
    /// # Errors
    /// Where the lock cannot be had.
    pub fn serving(&self) -> Result<Lock, Failure> {
        let path = self.folder.join(SERVING);
        if let Some(lock) = self.lock(&path)? {
            // For the one that is refused; the lock is what counts.
            let process = format!("{}\n", std::process::id());
            let mut file = lock.file();
            let _ = file.set_len(0).and_then(|()| file.write_all(process.as_bytes()));
            return Ok(lock);
        }
        let process = fs::read_to_string(&path).unwrap_or_default();
        let message = format!(
            "another keepalive serve uses {}, as process {}",
            self.folder.display(),
            process.trim()
        );
        Err(Failure::new(message)
            .with(Exit::Locked)
            .hint("stop it, or use another folder with --state-dir DIR"))
    }

    /// What is remembered; nothing where there is no file yet.
    ///
    /// # Errors
    /// Where it cannot be read, or is broken, or a broken one was set aside that nobody has looked at.
    pub fn read(&self) -> Result<Jobs, Failure> {
        let broken = self.path(BROKEN);
        if broken.symlink_metadata().is_ok() {
            return Err(unseen(&broken));
        }
        let path = self.path(FILE);
        if let Some(jobs) = parse(&path)? {
            return Ok(jobs);
        }
        let broken = self.folder.join(BROKEN);
        set_aside(&path, &broken)?;
        Err(unseen(&broken))
    }

    /// The same for a dry run, which sets nothing aside.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn peek(&self) -> Result<Jobs, Failure> {
        match self.look()? {
            (jobs, None) => Ok(jobs),
            (_, Some(broken)) => Err(unseen(&broken)),
        }
    }

    /// The same for a command that only reads: a broken file counts as empty, and why it is broken is returned too.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn look(&self) -> Result<(Jobs, Option<PathBuf>), Failure> {
        let (path, broken) = (self.path(FILE), self.path(BROKEN));
        let jobs = parse(&path)?;
        let aside = Some(broken).filter(|broken| broken.symlink_metadata().is_ok());
        let aside = aside.or_else(|| jobs.is_none().then_some(path));
        Ok((jobs.unwrap_or_default(), aside))
    }

    /// A user has seen that the state was broken: the file keeps another name, and jobs run again.
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn seen(&self, now: Timestamp) -> Result<Option<PathBuf>, Failure> {
        let (path, broken) = (self.path(FILE), self.path(BROKEN));
        let from = if broken.symlink_metadata().is_ok() {
            broken
        } else if parse(&path)?.is_none() {
            path
        } else {
            return Ok(None);
        };
        let to = self.folder.join(format!("{BROKEN}.{}", now.compact()));
        set_aside(&from, &to)?;
        Ok(Some(to))
    }

    /// Remembers this.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, jobs: &Jobs) -> Result<(), Failure> {
        let path = self.folder.join(FILE);
        let jobs = Jobs { schema: 1, jobs: jobs.jobs.clone() };
        let write = || {
            create::create_private_folders(&self.folder)?;
            let mut bytes = serde_json::to_vec_pretty(&jobs)?;
            bytes.push(b'\n');
            publish::publish(&path, &bytes, 0o600)
        };
        write().map_err(|error| failed("write", &path, &error))
    }
}

/// Nothing where it is broken.
fn parse(path: &Path) -> Result<Option<Jobs>, Failure> {
    let folder = path.parent().unwrap_or(path);
    let name = path.file_name().unwrap_or_default();
    match Folder::open(folder).and_then(|folder| folder.read_start(name, LARGEST)) {
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

fn set_aside(from: &Path, to: &Path) -> Result<(), Failure> {
    rename(from, to).map_err(|error| failed("set aside", from, &error))
}

#[expect(clippy::disallowed_methods, reason = "a state file only gets another name")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

fn unseen(broken: &Path) -> Failure {
    let path = broken.display();
    Failure::new(format!("the state of the jobs is damaged ({path}); no job runs"))
        .hint("run session-warden keepalive status: it shows what is left, and jobs run again")
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {}", path.display(), describe(error)))
        .hint("check its permissions, or use another state folder with --state-dir DIR")
}
