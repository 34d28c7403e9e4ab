//! Root works on another user's map as that user (S1): in a child process, which is this program again. It becomes the
//! user before it opens anything of theirs, and returns the log's text and the metrics, which root writes.

mod child;
mod parent;

pub(crate) use child::{become_owner, return_to_root};
pub(crate) use parent::{AsOwner, Ended, run_as, words_for};

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::{Clean, handed};
use crate::model::{Exit, Failure};
use crate::process;
use crate::report::Measured;

/// What the child returns.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Returned {
    /// The text for `--log`.
    pub(crate) log: Option<String>,
    /// The figures for `--metrics`.
    pub(crate) measured: Option<Measured>,
}

/// Returns true for root, unless it has become another user already.
pub(crate) fn may_become() -> bool {
    process::user() == 0 && handed().is_none()
}

/// Returns the user as whom a run on that map must work; none if it is us. Only root works as another user: as the
/// owner of the map's folder, of its name, or of the file that it leads to.
///
/// # Errors
/// If two of them belong to different users, other than root.
pub(crate) fn owner_of(config: &Clean) -> Result<Option<u32>, Failure> {
    if !may_become() {
        return Ok(None);
    }
    let owner = owner_of_map(&config.map)?;
    if owner.is_none() {
        config.check_state()?;
    }
    Ok(owner)
}

fn owner_of_map(map: &Path) -> Result<Option<u32>, Failure> {
    let folder = map.parent().unwrap_or(Path::new("/"));
    let target = map.canonicalize().ok();
    let beside_target = target.as_deref().and_then(Path::parent);
    let all = [
        folder.symlink_metadata(),
        folder.metadata(),
        map.symlink_metadata(),
        map.metadata(),
        beside_target.unwrap_or(folder).symlink_metadata(),
    ];
    let owners: BTreeSet<u32> =
        all.into_iter().flatten().map(|about| about.uid()).filter(|owner| *owner != 0).collect();

    let mut owners = owners.into_iter();
    match (owners.next(), owners.next()) {
        (owner, None) => Ok(owner),
        (Some(one), Some(other)) => {
            let [one, other] = [one, other].map(user_name);
            let message = format!(
                "the map {}, its folder and the file it leads to belong to {one} and {other}",
                map.display()
            );
            Err(Failure::new(message)
                .hint("nothing was changed; run as the user whose bridge writes the map"))
        }
        (None, Some(_)) => Ok(None),
    }
}

/// Returns `user alice`, or `user 1000` for one without a name.
pub(crate) fn user_name(user: u32) -> String {
    format!("user {}", process::name_of(user).unwrap_or_else(|| user.to_string()))
}

/// Returns the exit code of that number.
fn exit_of(code: Option<i32>) -> Exit {
    let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Partly, Exit::Locked];
    let code = code.and_then(|code| u8::try_from(code).ok());
    all.into_iter().find(|exit| Some(exit.code()) == code).unwrap_or(Exit::Failed)
}
