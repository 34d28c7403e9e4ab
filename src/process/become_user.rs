//! Root becomes another user, for good.

use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};
use std::ffi::CString;

/// The group of a user that is not in the password file.
const NOGROUP: u32 = 65_534;

/// Becomes that user: its groups, its group, and the user itself. Must be called before there is a second thread.
///
/// # Errors
/// One line with the step that failed. The process must end then.
pub fn become_user(user: u32) -> Result<(), String> {
    let uid = Uid::from_raw(user);
    let known =
        User::from_uid(uid).map_err(|error| format!("cannot look up user {user}: {error}"))?;

    let group = if let Some(known) = known {
        let name = CString::new(known.name).map_err(|_| "a name with a NUL".to_owned())?;
        initgroups(&name, known.gid).map_err(|error| format!("cannot set its groups: {error}"))?;
        known.gid
    } else {
        setgroups(&[]).map_err(|error| format!("cannot drop root's groups: {error}"))?;
        Gid::from_raw(NOGROUP)
    };
    setgid(group).map_err(|error| format!("cannot set its group: {error}"))?;
    setuid(uid).map_err(|error| format!("cannot set its user id: {error}"))?;

    // Root that keeps a way back would be as dangerous as root.
    if uid.is_root() || setuid(Uid::from_raw(0)).is_ok() || !Uid::effective().eq(&uid) {
        return Err("root's rights remain".to_owned());
    }
    Ok(())
}
