//! Mode, owner, ACL and extended attributes of a file, carried over to the file that replaces it (W4).

use rustix::fs::{Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

const ACL: &CStr = c"system.posix_acl_access";

/// Gives `to` the owner, ACL, extended attributes and mode of `from`, as far as they differ. Fails if any of
/// them would be lost: better no change than a map that its bridge cannot read.
#[expect(clippy::disallowed_methods, reason = "this is what carries mode and owner over")]
pub(crate) fn carry_over(from: &File, to: &File) -> io::Result<()> {
    let (old, new) = (from.metadata()?, to.metadata()?);
    let user = (old.uid() != new.uid()).then(|| Uid::from_raw(old.uid()));
    let group = (old.gid() != new.gid()).then(|| Gid::from_raw(old.gid()));
    if user.is_some() || group.is_some() {
        rustix::fs::fchown(to, user, group)?;
    }
    carry_xattrs(from, to)?;

    // Last: an ACL changes the mode, and a change of owner clears bits of it.
    let mode = Mode::from_raw_mode(old.mode() & 0o7777);
    if to.metadata()?.mode() != old.mode() {
        rustix::fs::fchmod(to, mode)?;
    }
    Ok(())
}

fn carry_xattrs(from: &File, to: &File) -> io::Result<()> {
    let names = list(from)?;
    // The new file must not keep an ACL that only its folder gave it.
    if !names.iter().any(|name| name.as_slice() == ACL.to_bytes_with_nul()) {
        match rustix::fs::fremovexattr(to, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }

    for name in &names {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let value = get(from, name)?;
        if get(to, name).is_ok_and(|already| already == value) {
            continue;
        }
        match rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            // The kernel gives labels of its own to every new file, and lets few set them.
            Err(Errno::PERM | Errno::NOTSUP | Errno::ACCESS)
                if name.to_bytes().starts_with(b"security.") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The names of a file's extended attributes, each with its NUL; none if its file system has none.
fn list(file: &File) -> io::Result<Vec<Vec<u8>>> {
    match whole(|buffer| rustix::fs::flistxattr(file, buffer)) {
        Ok(names) => Ok(names.split_inclusive(|byte| *byte == 0).map(<[u8]>::to_vec).collect()),
        Err(Errno::NOTSUP) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn get(file: &File, name: &CStr) -> io::Result<Vec<u8>> {
    Ok(whole(|buffer| rustix::fs::fgetxattr(file, name, buffer))?)
}

/// The bytes that a call puts into a buffer, which has room for the largest: Linux allows at most 64 KiB.
fn whole(call: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256 << 10];

    let length = call(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}
