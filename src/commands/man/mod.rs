//! `man`: one page on standard output, or all of them as files.

mod page;

use clap::{Args, Command};
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::config::absolute;
use crate::model::escape::escape;
use crate::model::{Exit, Failure, describe};
use crate::os::folder::Folder;
use crate::os::temporary::TemporaryFile;

pub(crate) const HELP: &str = "\
Examples:
  session-warden man | man -l -
  session-warden man undo | man -l -
  session-warden man --dir ~/.local/share/man/man1

Exit codes:
  0  done
  1  failed: a page cannot be written
  2  wrong usage, or there is no such command
  3  pages written, but the confirmation cannot be printed";

#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// The command to print the page of [default: session-warden itself]
    command: Vec<String>,

    /// Write the pages of all commands into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    pub(crate) fn run(self, root: clap::Command, out: &mut dyn Write) -> anyhow::Result<Exit> {
        match self.dir {
            Some(folder) => write_all(root, &absolute(&folder)?, out),
            None => print(root, &self.command, out),
        }
    }
}
/// Writes the page of the command with that path of names; none is the program itself.
///
/// # Errors
/// Where there is no such command, or the page cannot be written. Nobody who reads on is no error.
fn print(root: Command, path: &[String], out: &mut dyn Write) -> anyhow::Result<Exit> {
    let root = page::built(root);
    let mut command = &root;
    for name in path {
        command =
            page::visible(command).find(|known| known.get_name() == name).ok_or_else(|| {
                let known: Vec<&str> = page::visible(command).map(Command::get_name).collect();
                let failure = Failure::new(format!("{} has no command {name:?}", called(command)));
                let failure = failure.with(Exit::Usage);
                if known.is_empty() {
                    failure.hint("leave it out")
                } else {
                    failure.hint(format!("its commands are {}", known.join(", ")))
                }
            })?;
    }
    let page = page::roff(command, &root);
    match out.write_all(page.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the man page: {}", describe(&error)))
                .hint("check the file or pipe that standard output leads to")
                .into())
        }
        _ => Ok(Exit::Done),
    }
}

/// How the command is typed.
fn called(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

/// Writes all pages into the folder, which is made where it is missing, and says how many.
///
/// # Errors
/// Where a page cannot be written: the ones before it then are. With [`Exit::Partly`], where all are
/// and only that cannot be said.
fn write_all(root: Command, folder: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let root = page::built(root);
    let pages = page::all(&root);
    make(folder)?;
    for command in &pages {
        let name = page::file_name(command);
        write(folder, &name, &page::roff(command, &root))
            .map_err(|error| failed("write the man page", &folder.join(&name), &error))?;
    }
    let (count, shown) = (pages.len(), folder.display().to_string());
    match writeln!(out, "Wrote {count} man pages to {}", escape(&shown)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!(
                "the man pages are written, but this cannot be printed: {}",
                describe(&error)
            );
            let failure =
                Failure::new(message).hint("check the file or pipe that standard output leads to");
            Err(Failure { exit: Exit::Partly, ..failure }.into())
        }
        _ => Ok(Exit::Done),
    }
}

#[expect(clippy::disallowed_methods, reason = "the folder of man pages may be a new one")]
fn make(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).map_err(|error| failed("create the folder", folder, &error).into())
}

/// Replaces the page whole or not at all, so that no reader and no full disk meets half of one.
fn write(folder: &Path, name: &str, page: &str) -> io::Result<()> {
    let folder = Folder::open(folder)?;
    // As any new file; the umask takes off what it takes off.
    let mut new = TemporaryFile::create(folder.as_fd(), name.as_ref(), 0o666)?;
    new.file.write_all(page.as_bytes())?;
    new.rename_to(name.as_ref())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {}", path.display(), describe(error)))
        .hint("choose another folder with --dir DIR")
}
