//! Whose file or folder it is, and who else may write to it: the program obeys its own user's files and root's alone.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{group_of, user};

/// Returns why a file or folder must not be trusted, and the command that fixes that; none if it can be, or does not
/// exist.
pub fn distrusted(path: &Path) -> Option<(String, String)> {
    // Whatever else has its name is refused when it is opened.
    let about = path.metadata().ok().filter(|about| about.is_file() || about.is_dir())?;
    let us = user();
    let group = group_of(us).unwrap_or_else(|| rustix::process::getegid().as_raw());
    let why = reason(&about, us, group)?;
    let shown = path.display();
    let fix = match why {
        Why::Owner(owner) => {
            let name = super::name_of(us).unwrap_or_else(|| us.to_string());
            return Some((
                format!("{shown} belongs to user {owner}"),
                format!("if it is yours: sudo chown -R {name} '{shown}'"),
            ));
        }
        Why::All => format!("chmod o-w '{shown}'"),
        Why::Group => format!("chmod g-w '{shown}'"),
    };
    Some((format!("other users may write to {shown}"), fix))
}

#[derive(Debug, PartialEq, Eq)]
enum Why {
    Owner(u32),
    All,
    Group,
}

fn reason(about: &Metadata, us: u32, group: u32) -> Option<Why> {
    judge(about.uid(), about.gid(), about.permissions().mode(), us, group)
}

fn judge(owner: u32, of_group: u32, mode: u32, us: u32, group: u32) -> Option<Why> {
    if owner != us && owner != 0 {
        return Some(Why::Owner(owner));
    }
    if mode & 0o002 != 0 {
        return Some(Why::All);
    }
    (mode & 0o020 != 0 && of_group != group).then_some(Why::Group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_and_roots_are_trusted_s1() {
        let judge = |owner, of_group, mode| super::judge(owner, of_group, mode, 1000, 1000);
        assert_eq!(judge(1000, 1000, 0o40700), None);
        assert_eq!(judge(1000, 1000, 0o40775), None, "our own group");
        assert_eq!(judge(0, 0, 0o100_644), None);
        assert_eq!(judge(1001, 1000, 0o40700), Some(Why::Owner(1001)));
        assert_eq!(judge(1000, 1000, 0o40777), Some(Why::All));
        assert_eq!(judge(1000, 100, 0o40775), Some(Why::Group));
        assert_eq!(judge(0, 0, 0o100_664), Some(Why::Group));
    }
}
