//! `config`: the effective settings and where each comes from; and an example to begin with.

pub mod args;

use anyhow::Context;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

use crate::config::{CONFIG, ConfigFile, EXAMPLE, Environment, Origin, PROFILE, Shown, absolute};
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Advice, Exit, Failure, describe};
use crate::os::create::create;
use crate::ui;

/// The profile in use.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    pub name: Option<&'a str>,
    /// True if it was named on the command line, and not by the environment.
    pub is_typed: bool,
}

impl Chosen<'_> {
    fn origin(self) -> Origin {
        match (self.name, self.is_typed) {
            (None, _) => Origin::Default,
            (Some(_), true) => Origin::Flag,
            (Some(_), false) => Origin::Environment(PROFILE),
        }
    }
}

/// Writes each setting with its value and where that came from.
pub fn write_text(
    file: &ConfigFile,
    chosen: &Chosen<'_>,
    shown: &[Shown],
    to: &mut dyn Write,
) -> io::Result<()> {
    let path = file.path.as_ref().map(|path| escape(&path.to_string_lossy()));
    let note = match &file.origin {
        _ if !file.exists => " (does not exist)".to_owned(),
        Origin::Default => String::new(),
        origin => format!(" ({origin})"),
    };
    writeln!(to, "configuration  {}{note}", path.unwrap_or_default())?;
    let names: Vec<&str> = file.profiles.iter().map(|(name, _)| name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    writeln!(to, "profiles       {names}")?;
    if let Some(name) = chosen.name {
        writeln!(to, "profile        {name} ({})", chosen.origin())?;
    }

    writeln!(to)?;
    let name_width = shown.iter().map(|shown| shown.name.len()).max().unwrap_or(0);
    let origin_width = shown.iter().map(|shown| shown.origin.to_string().len()).max().unwrap_or(0);

    for Shown { name, value, origin } in shown {
        let origin = origin.to_string();
        writeln!(to, "{name:<name_width$}  {origin:<origin_width$}  {}", escape(value))?;
    }
    Ok(())
}

/// The same as JSON.
pub fn write_json(
    file: &ConfigFile,
    chosen: &Chosen<'_>,
    shown: &[Shown],
    to: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Setting<'a> {
        name: &'a str,
        value: &'a str,
        origin: String,
    }
    #[derive(Serialize)]
    struct All<'a> {
        schema: u32,
        version: &'static str,
        file: Option<String>,
        file_origin: String,
        exists: bool,
        profiles: Vec<&'a str>,
        profile: Option<&'a str>,
        profile_origin: Option<String>,
        settings: Vec<Setting<'a>>,
    }
    let settings = shown.iter().map(|Shown { name, value, origin }| Setting {
        name,
        value,
        origin: origin.to_string(),
    });

    let all = All {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        file: file.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
        file_origin: file.origin.to_string(),
        exists: file.exists,
        profiles: file.profiles.iter().map(|(name, _)| name.as_str()).collect(),
        profile: chosen.name,
        profile_origin: chosen.name.map(|_| chosen.origin().to_string()),
        settings: settings.collect(),
    };
    write_plain(&all, to)
}

/// Writes the example to where the configuration is looked for, if there is none.
pub fn init(named: Option<&Path>, environment: &Environment) -> anyhow::Result<Exit> {
    let named = named.map(Path::to_owned).or_else(|| Some(environment.get(CONFIG)?.into()));
    let path = match named {
        Some(named) => absolute(&named)?,
        None => ConfigFile::usual_path(environment)
            .context("cannot determine the path of the configuration: no home is known")
            .hint("name the file with --config FILE")?,
    };

    let shown = path.display();
    create(&path, EXAMPLE.as_bytes()).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            Failure::new(format!("the configuration {shown} already exists"))
                .hint("nothing was changed; session-warden config shows its settings")
        } else {
            Failure::new(format!("cannot write {shown}: {}", describe(&error)))
                .hint("check the permissions of its folder, or use --config FILE")
        }
    })?;

    let path = escape(&shown.to_string());
    let line =
        format!("Wrote {path}. Every setting in it is commented out, so nothing changes yet.");
    writeln!(ui::stdout(), "{line}")
        .context("the file was written, but this cannot be printed")
        .hint(ui::CHECK_OUTPUT)?;
    Ok(Exit::Done)
}
