//! The path by which a timer calls this program: the one by which it was found, which an upgrade leaves in place, and
//! not the versioned file that it may lead to.

use anyhow::Context as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{Environment, absolute};
use crate::model::{Advice, Failure};
use crate::schedule::{Fleeting, Step, is_versioned};

/// Its name in a folder of `PATH`.
const NAME: &str = "session-warden";

/// Returns the path of this program, as it was typed or as `PATH` has it.
pub(super) fn own_program(environment: &Environment) -> anyhow::Result<PathBuf> {
    let real = std::env::current_exe()
        .context("cannot determine the path of this program")
        .hint("run it by its full path")?;
    let fleeting = Fleeting::of(environment);

    let found = candidates(environment).into_iter().filter(|path| is_same(path, &real));
    // The first one that lasts; one without a version, if none lasts.
    let best = found.min_by_key(|path| (is_versioned(path), fleeting.has(path)));
    let binary = match best {
        Some(path) if fleeting.has(&path) && !fleeting.has(&real) => real,
        Some(path) => path,
        None => real,
    };

    if binary.to_str().is_none() {
        let message = format!("the path of this program, {}, is not UTF-8", binary.display());
        return Err(Failure::usage(message).hint("move the program to another folder").into());
    }
    Ok(binary)
}

/// Returns a warning if an upgrade removes that path.
pub(super) fn warning(binary: &Path) -> Option<Step> {
    const ADVICE: &str =
        "install again after each upgrade, or by a link without a version in a folder of PATH";
    is_versioned(binary).then(|| {
        Step::Warning(
            format!("the timer runs {}, which an upgrade removes", binary.display()),
            ADVICE,
        )
    })
}

/// Returns the paths by which this program may have been called: as it was typed, and in the folders of `PATH`.
fn candidates(environment: &Environment) -> Vec<PathBuf> {
    let typed = std::env::args_os().next().map(PathBuf::from);
    let (mut all, mut name) = (Vec::new(), None);
    match typed {
        Some(path) if path.components().count() > 1 => all.extend(absolute(&path).ok()),
        typed => name = typed,
    }

    let path = environment.get("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    for name in name.iter().map(PathBuf::as_path).chain([Path::new(NAME)]) {
        all.extend(folders.iter().map(|folder| folder.join(name)));
    }
    all
}

fn is_same(path: &Path, real: &Path) -> bool {
    let of = |path: &Path| path.metadata().ok().map(|about| (about.dev(), about.ino()));
    of(path).is_some() && of(path) == of(real)
}
