//! `keepalive set-key`: stores the session key of Claude's web page where its jobs look for it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::no_job;
use crate::keepalive::job::{Action, Job};
use crate::keepalive::web::SessionKey;
use crate::model::escape::escape;
use crate::model::{Exit, Failure, describe};
use crate::os::{create, publish};

/// The file that the key belongs in: that of the job named, else that of all of them, and `usual` where
/// these name none.
///
/// # Errors
/// Exit code 2 where there is no such job, or where none is named and they name several.
pub fn key_file(jobs: &[Job], id: Option<&str>, usual: &Path) -> Result<PathBuf, Failure> {
    let usage = |message: String| Failure::usage(message);
    let file_of = |job: &Job| match &job.action {
        Action::ClaudeWebPing(ping) => {
            Some(ping.key_file.clone().unwrap_or_else(|| usual.to_owned()))
        }
        _ => None,
    };
    if let Some(id) = id {
        // What was typed is not shown: it may be the key itself.
        if jobs.iter().all(|job| job.id != id) && SessionKey::may_be_in(id) {
            let message = "a key on the command line can be read by other users, so it is refused";
            let hint = "run set-key without it: the key is asked for, or read from standard input; \
                        the one you typed is now in your shell's history";
            return Err(usage(message.to_owned()).hint(hint));
        }
        let job = jobs.iter().find(|job| job.id == id).ok_or_else(|| no_job(jobs, id))?;
        return file_of(job).ok_or_else(|| {
            usage(format!("job {id:?} is not a claude-web-ping job, so it has no session key"))
                .hint("session-warden keepalive status shows the action of each job")
        });
    }
    let mut files: Vec<PathBuf> = jobs.iter().filter_map(file_of).collect();
    files.sort();
    files.dedup();
    match &mut files[..] {
        [] => Ok(usual.to_owned()),
        [file] => Ok(std::mem::take(file)),
        _ => {
            let ids = jobs.iter().filter(|job| file_of(job).is_some()).map(|job| job.id.as_str());
            let ids: Vec<&str> = ids.collect();
            Err(usage("the jobs use several key files; name a job".to_owned()).hint(format!(
                "run session-warden keepalive set-key ID, where ID is {}",
                ids.join(" or ")
            )))
        }
    }
}

/// Stores the key that `text` is in that file, for its owner alone, and whole or not at all.
///
/// # Errors
/// Exit code 2 where it is no key, 1 where it cannot be written. Nothing of the text is shown.
pub fn set_key(path: &Path, text: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    let key = SessionKey::parse(text).map_err(|why| {
        let message = format!("this is not a session key: {why}");
        Failure::usage(message).hint(
            "copy the value of the cookie sessionKey from a browser that is logged in to claude.ai",
        )
    })?;
    let write = || {
        create::create_private_folders(path.parent().unwrap_or(path))?;
        publish::publish(path, &key.to_bytes(), 0o600)
    };
    write().map_err(|error| {
        let message = format!("cannot write {}: {}", path.display(), describe(&error));
        Failure::new(message).hint("check the permissions of its folder; nothing was stored")
    })?;
    let line = escape(&format!("Stored the session key in {}", path.display()));
    match writeln!(out, "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message =
                format!("the key is stored, but this cannot be printed: {}", describe(&error));
            let failure =
                Failure::new(message).hint("check the file or pipe that standard output leads to");
            Err(Failure { exit: Exit::Partly, ..failure })
        }
        _ => Ok(Exit::Done),
    }
}
