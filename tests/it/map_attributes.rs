//! A new map has the mode, owner, access list and extended attributes of the old one (W4).

use crate::child::{both, bounded, cleaned, mapped, set_mode, through_shell, unprivileged};
use crate::env::{Ran, TestEnv};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

#[test]
fn the_mode_stays_w4() {
    for mode in [0o640, 0o600, 0o666, 0o644, 0o400, 0o660, 0o777] {
        for umask in ["000", "022", "077", "777"] {
            let env = mapped();
            set_mode(&env.map_path(), mode);
            // The lock and the new map are made under that umask.
            let ran = bounded(&mut through_shell(&env, &format!("umask {umask} &&"), "clean", ""));
            ran.exits(0);
            let after = fs::metadata(env.map_path()).unwrap();
            assert_eq!(after.mode() & 0o7777, mode, "{mode:o} under {umask}");
            assert_eq!(env.map_bytes(), cleaned().as_bytes());
        }
    }
}

#[test]
fn owner_and_group_stay_w4() {
    let env = mapped();
    let map = env.map_path();
    if !rustix::process::geteuid().is_root() {
        // Somebody without rights cannot make such a map; one that is theirs stays theirs.
        let before = fs::metadata(&map).unwrap();
        env.run("clean").exits(0);
        let after = fs::metadata(&map).unwrap();
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        return;
    }
    chown(&map, None, Some(12_345)).unwrap();
    set_mode(&map, 0o2640);
    env.run("clean").exits(0);
    let after = fs::metadata(&map).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (0, 12_345, 0o2640));
    // Another user's map: the home must be named, and the lock is that user's as well.
    let env = mapped();
    let map = env.map_path();
    env.give_to(23_456);
    // A user without an entry in the password file has no group that is known, and cannot keep one.
    let ran = env.run("clean --home home --state-dir home/state");
    ran.exits(1).says(&["cannot keep owner and mode of", "hint: the map is as it was"]);
    assert_eq!(env.map_bytes(), both().as_bytes());
    chown(&map, None, Some(NOGROUP)).unwrap();
    env.run("clean --home home --state-dir home/state").exits(0);
    let after = fs::metadata(&map).unwrap();
    assert_eq!((after.uid(), after.gid()), (23_456, NOGROUP));
    let lock = fs::metadata(env.path("bridge/.session_map.json.session-warden.lock")).unwrap();
    assert_eq!((lock.uid(), lock.mode() & 0o7777), (23_456, 0o600));
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

/// A map in a folder whose file system keeps such an attribute: the temporary one, or the build's.
fn with_attribute(env: &TestEnv, name: &str, value: &[u8]) -> (PathBuf, Option<tempfile::TempDir>) {
    let map = env.map_path();
    match setxattr(&map, name, value, XattrFlags::empty()) {
        Ok(()) => (map, None),
        Err(Errno::NOTSUP) => {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let map = folder.path().join("session_map.json");
            fs::write(&map, both()).unwrap();
            setxattr(&map, name, value, XattrFlags::empty())
                .expect("either the temporary folder or the build's keeps extended attributes");
            (map, Some(folder))
        }
        Err(error) => panic!("cannot set {name}: {error}"),
    }
}

fn attribute(map: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 4096];
    let length = getxattr(map, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

#[track_caller]
fn clean_at(env: &TestEnv, map: &Path) -> Ran {
    let mut command = env.command(["clean", "--map"]);
    let ran = bounded(command.arg(map));
    assert_eq!(fs::read(map).unwrap() == cleaned().as_bytes(), ran.code == 0, "{ran:?}");
    ran
}

/// The group of a user that is not in the password file.
const NOGROUP: u32 = 65_534;

const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// An access list as the kernel keeps it: that user may read (and write, if `write`), besides an
/// owner who may do both.
fn access_list(user: u32, write: bool) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let granted = if write { 6 } else { 4 };
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, NOBODY),       // the owner
        (0x02, granted, user),   // a named user
        (0x04, 4, NOBODY),       // the group
        (0x10, granted, NOBODY), // the mask
        (0x20, 0, NOBODY),       // others
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
fn extended_attributes_stay_w4() {
    let env = mapped();
    let (map, _folder) = with_attribute(&env, "user.note", b"keep \0 me\xff");
    setxattr(&map, "user.empty", b"", XattrFlags::empty()).unwrap();
    setxattr(&map, "user.long", &[7; 1000], XattrFlags::empty()).unwrap();
    clean_at(&env, &map).exits(0);
    assert_eq!(attribute(&map, "user.note").unwrap(), b"keep \0 me\xff");
    assert_eq!(attribute(&map, "user.empty").unwrap(), b"");
    assert_eq!(attribute(&map, "user.long").unwrap(), [7; 1000]);
}

#[test]
fn a_label_that_its_owner_may_not_set_does_not_keep_the_map_from_being_cleaned_w4() {
    let env = mapped();
    if !rustix::process::geteuid().is_root() {
        // Nobody else can set one; without it the owner's run is what is left to show.
        env.run("clean").exits(0);
        return;
    }
    let mut clean = unprivileged(&env, "clean");
    // A container's root may not be allowed to, either.
    let labelled = setxattr(env.map_path(), "security.note", b"n", XattrFlags::empty());
    assert!(matches!(labelled, Ok(()) | Err(Errno::PERM | Errno::NOTSUP)), "{labelled:?}");
    bounded(&mut clean).exits(0);
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn access_lists_stay_w4() {
    let env = mapped();
    let list = access_list(12_345, false);
    let (map, _folder) = with_attribute(&env, ACL, &list);
    let mode = fs::metadata(&map).unwrap().mode();
    clean_at(&env, &map).exits(0);
    assert_eq!(attribute(&map, ACL).unwrap(), list);
    assert_eq!(fs::metadata(&map).unwrap().mode(), mode);
}

#[test]
fn a_folders_default_list_does_not_come_upon_the_map_w4() {
    let env = mapped();
    // Only to find a folder that keeps access lists.
    let (map, _folder) = with_attribute(&env, ACL, &access_list(12_345, false));
    rustix::fs::removexattr(&map, ACL).unwrap();
    set_mode(&map, 0o640);
    // Another attribute, where there can be one, is no list.
    let noted = setxattr(&map, "user.note", b"n", XattrFlags::empty());
    assert!(matches!(noted, Ok(()) | Err(Errno::NOTSUP)), "{noted:?}");
    let folder = map.parent().unwrap();
    setxattr(folder, DEFAULT_ACL, &access_list(23_456, true), XattrFlags::empty()).unwrap();
    clean_at(&env, &map).exits(0);
    assert_eq!(attribute(&map, ACL), Err(Errno::NODATA));
    assert_eq!(fs::metadata(&map).unwrap().mode() & 0o7777, 0o640);
    // And one of its own is not exchanged for the folder's.
    fs::write(&map, both()).unwrap();
    setxattr(&map, ACL, &access_list(12_345, false), XattrFlags::empty()).unwrap();
    clean_at(&env, &map).exits(0);
    assert_eq!(attribute(&map, ACL).unwrap(), access_list(12_345, false));
}
