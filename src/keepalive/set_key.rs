//! `keepalive set-key`: stores the session key of Claude's web page in the file that its jobs read.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::job::{Action, Job};
use super::keeper::find_job;
use super::web::SessionKey;
use super::written::check_written;
use crate::model::escape::escape;
use crate::model::{Exit, Failure, describe};
use crate::os::{create, publish};

/// Returns the key file of the job with that id, or the one of all jobs. It is `usual` if jobs name
/// none, and ambiguous if they name several.
pub fn key_file(jobs: &[Job], id: Option<&str>, usual: &Path) -> Result<PathBuf, Failure> {
    if let Some(id) = id {
        return key_file_of(jobs, id, usual);
    }

    let mut files: Vec<&Path> = jobs.iter().filter_map(|job| file_of(job, usual)).collect();
    files.sort();
    files.dedup();
    match &files[..] {
        [] => Ok(usual.to_owned()),
        [file] => Ok((*file).to_owned()),
        _ => {
            let with_key = jobs.iter().filter(|job| file_of(job, usual).is_some());
            let ids: Vec<&str> = with_key.map(|job| job.id.as_str()).collect();
            let ids = ids.join(" or ");
            Err(Failure::usage("the jobs use several key files; name a job")
                .hint(format!("run session-warden keepalive set-key ID, where ID is {ids}")))
        }
    }
}

fn key_file_of(jobs: &[Job], id: &str, usual: &Path) -> Result<PathBuf, Failure> {
    // The text is not shown: it may be the key itself.
    if jobs.iter().all(|job| job.id != id) && SessionKey::may_be_in(id) {
        let message = "a key on the command line can be read by other users, so it is refused";
        let hint = "run set-key without it: the key is asked for, or read from standard input; \
                    the one you typed is now in your shell's history";
        return Err(Failure::usage(message).hint(hint));
    }
    file_of(find_job(jobs, id)?, usual).map(Path::to_owned).ok_or_else(|| {
        Failure::usage(format!("job {id:?} is not a claude-web-ping job, so it has no session key"))
            .hint("session-warden keepalive status shows the action of each job")
    })
}

fn file_of<'a>(job: &'a Job, usual: &'a Path) -> Option<&'a Path> {
    match &job.action {
        Action::ClaudeWebPing(ping) => Some(ping.key_file.as_deref().unwrap_or(usual)),
        _ => None,
    }
}

/// Stores the key in that file, readable for its owner alone, and whole or not at all. No error shows
/// anything of the text.
pub fn set_key(path: &Path, text: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    let key = SessionKey::parse(text).map_err(|why| {
        Failure::usage(format!("this is not a session key: {why}")).hint(
            "copy the value of the cookie sessionKey from a browser that is logged in to claude.ai",
        )
    })?;
    store(path, &key).map_err(|error| {
        let message = format!("cannot write {}: {}", path.display(), describe(&error));
        Failure::new(message).hint("check the permissions of its folder; nothing was stored")
    })?;

    let line = escape(&format!("Stored the session key in {}", path.display()));
    check_written(writeln!(out, "{line}"), "the key is stored, but this cannot be printed")
        .map_err(|failure| failure.with(Exit::Partly))?;
    Ok(Exit::Done)
}

fn store(path: &Path, key: &SessionKey) -> io::Result<()> {
    create::create_private_folders(path.parent().unwrap_or(path))?;
    publish::publish(path, &key.to_bytes(), 0o600)
}
