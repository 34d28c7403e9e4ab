//! `man`: one page on standard output, or all of them as files.

mod page;

use anyhow::Context;
use clap::{Args, Command};
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::config::absolute;
use crate::model::escape::escape;
use crate::model::{Advice, Exit, Failure, describe};
use crate::os::folder::Folder;
use crate::os::temporary::TemporaryFile;
use crate::ui;

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
    pub(crate) fn run(self, root: Command) -> anyhow::Result<Exit> {
        let root = page::built(root);
        match self.dir {
            Some(folder) => write_all(&root, &absolute(&folder)?),
            None => print(&root, &self.command),
        }
    }
}

/// Prints the page of the command with that path of names; without any, that of the program.
fn print(root: &Command, path: &[String]) -> anyhow::Result<Exit> {
    let mut command = root;
    for name in path {
        let mut known = page::visible(command);
        command = known.find(|known| known.get_name() == name).ok_or_else(|| {
            let known: Vec<&str> = page::visible(command).map(Command::get_name).collect();
            let typed = command.get_bin_name().unwrap_or_else(|| command.get_name());
            let failure = Failure::usage(format!("{typed} has no command {name:?}"));
            if known.is_empty() {
                failure.hint("leave it out")
            } else {
                failure.hint(format!("its commands are {}", known.join(", ")))
            }
        })?;
    }
    let page = page::roff(command, root);
    ui::print("the man page", |out| out.write_all(page.as_bytes()))?;
    Ok(Exit::Done)
}

/// Writes all pages into the folder, which is created if it does not exist, and prints their number.
fn write_all(root: &Command, folder: &Path) -> anyhow::Result<Exit> {
    let pages = page::all(root);
    let shown = folder.display();
    create(folder).with_context(|| format!("cannot create the folder {shown}")).hint(OTHER)?;
    for command in &pages {
        let name = page::file_name(command);
        write(folder, &name, &page::roff(command, root))
            .with_context(|| format!("cannot write the man page {}", folder.join(&name).display()))
            .hint(OTHER)?;
    }

    let line = format!("Wrote {} man pages to {}", pages.len(), escape(&shown.to_string()));
    writeln!(ui::stdout(), "{line}").map_err(|error| {
        let why = describe(&error);
        Failure::new(format!("the man pages are written, but this cannot be printed: {why}"))
            .with(Exit::Partly)
            .hint(ui::CHECK_OUTPUT)
    })?;
    Ok(Exit::Done)
}

/// What to do about a folder that cannot be written to.
const OTHER: &str = "choose another folder with --dir DIR";

#[expect(clippy::disallowed_methods, reason = "the folder of man pages may be a new one")]
fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Replaces the page whole or not at all, so that no reader and no full disk meets half of one.
fn write(folder: &Path, name: &str, page: &str) -> io::Result<()> {
    let folder = Folder::open(folder)?;
    // As of any new file, less the bits of the user's mask.
    let mut temporary = TemporaryFile::create(folder.as_fd(), name.as_ref(), 0o666)?;
    temporary.file.write_all(page.as_bytes())?;
    temporary.rename_to(name.as_ref())
}
