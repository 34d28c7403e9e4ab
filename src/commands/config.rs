//! `config`: what holds now, and where each value came from; and an example to begin with.

use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

use crate::config::{ConfigFile, Environment, Shown};
use crate::disk::create::create;
use crate::disk::words;
use crate::domain::{Exit, Failure};
use crate::report::escape::escape;
use crate::report::write_plain;

/// An example that says what could be said, all of it as a comment.
pub const EXAMPLE: &str = include_str!("../../packaging/config.example.toml");

/// Writes each setting with its value and where that came from.
pub fn write_text(file: &ConfigFile, shown: &[Shown], to: &mut dyn Write) -> io::Result<()> {
    let path = file.path.as_ref().map(|path| escape(&path.to_string_lossy()));
    let note = if file.exists { "" } else { " (there is none)" };
    writeln!(to, "configuration  {}{note}", path.unwrap_or_default())?;
    let names: Vec<&str> = file.profiles.iter().map(|(name, _)| name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    writeln!(to, "profiles       {names}\n")?;
    let name_width = shown.iter().map(|shown| shown.name.len()).max().unwrap_or(0);
    let origin_width = shown.iter().map(|shown| shown.origin.to_string().len()).max().unwrap_or(0);
    for Shown { name, value, origin } in shown {
        let origin = origin.to_string();
        writeln!(to, "{name:<name_width$}  {origin:<origin_width$}  {}", escape(value))?;
    }
    Ok(())
}

/// The same as JSON.
pub fn write_json(file: &ConfigFile, shown: &[Shown], to: &mut dyn Write) -> io::Result<()> {
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
        exists: bool,
        profiles: Vec<&'a str>,
        settings: Vec<Setting<'a>>,
    }
    let setting = |shown: &'_ Shown| -> (&'static str, String, String) {
        (shown.name, shown.value.clone(), shown.origin.to_string())
    };
    let settings: Vec<_> = shown.iter().map(setting).collect();
    let all = All {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        file: file.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
        exists: file.exists,
        profiles: file.profiles.iter().map(|(name, _)| name.as_str()).collect(),
        settings: settings
            .iter()
            .map(|(name, value, origin)| Setting { name, value, origin: origin.clone() })
            .collect(),
    };
    write_plain(&all, to)
}

/// Writes the example to where the configuration is looked for, if there is none.
///
/// # Errors
/// Where there is one, or it cannot be written.
pub fn init(
    named: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let path = match named {
        Some(named) => Some(crate::config::absolute(named)?),
        None => ConfigFile::usual_path(environment),
    };
    let Some(path) = path else {
        return Err(Failure::new("cannot tell where the configuration lies: no home is known")
            .hint("--config FILE names it"));
    };
    let shown = path.display();
    create(&path, EXAMPLE.as_bytes()).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            Failure::new(format!("there is a configuration already: {shown}"))
                .hint("nothing was changed; session-warden config shows what it says")
        } else {
            Failure::new(format!("cannot write {shown}: {}", words(&error)))
        }
    })?;
    let line = format!(
        "Wrote {}: all of it commented out, nothing has changed.",
        escape(&shown.to_string())
    );
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot say so: {}", words(&error))))
        }
        _ => Ok(Exit::Done),
    }
}
