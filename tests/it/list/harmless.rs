//! A list writes nothing but itself, and that only as it is wanted.

use super::{at, home};
use crate::child::{bounded, through_shell};
use crate::env::Ran;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Every name below that folder, with what a change would change; not when it was last read.
fn all_below(folder: &Path, into: &mut Vec<String>) {
    let about = fs::symlink_metadata(folder).unwrap();
    let times = (about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec());
    into.push(format!("{} {} {} {times:?}", folder.display(), about.mode(), about.size()));
    if about.is_dir() {
        let mut below: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        below.sort();
        for path in below {
            all_below(&path, into);
        }
    }
}

#[test]
fn nothing_is_written_anywhere() {
    let env = home();
    let snapshot = || {
        let mut all = Vec::new();
        all_below(&env.path(""), &mut all);
        all
    };
    let before = snapshot();
    for line in ["", "-v", "--format json", "--unmapped", "--clock record", "--state idle"] {
        at(&env, 80, line).exits(0);
    }
    assert_eq!(snapshot(), before);
    assert_eq!(env.litter(), [""; 0]);
}

#[test]
fn closed_pipes_are_no_errors_and_full_disks_are() {
    let env = home();
    for line in ["list", "list --format json"] {
        let ran = bounded(&mut through_shell(&env, "", line, ">/dev/full"));
        let said = "error: cannot write the list: no space left on device\n\
                    hint: check the file or pipe that standard output leads to\n";
        assert_eq!((ran.code, ran.err.as_str()), (1, said));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = env.command(line.split(' '));
        let child = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    let head = bounded(&mut through_shell(&env, "", "list", "| head -n 1"));
    assert_eq!((head.code, head.out.lines().count(), head.err.as_str()), (0, 1, ""));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let env = home();
    let plain = at(&env, 80, "");
    assert!(!plain.out.contains('\x1b'), "no terminal, no colour");
    let colored = at(&env, 80, "--color always");
    assert!(colored.out.contains("\x1b[33midle    \x1b[0m"), "{:?}", colored.out);
    assert!(colored.out.contains("\x1b[32mactive  \x1b[0m"), "{:?}", colored.out);
    let mut bare = colored.out;
    for code in ["1m", "32m", "33m", "35m", "0m"] {
        bare = bare.replace(&format!("\x1b[{code}"), "");
    }
    assert_eq!(bare, plain.out, "nothing but colours differs");
    assert_eq!(at(&env, 80, "--color never").out, plain.out);
}
