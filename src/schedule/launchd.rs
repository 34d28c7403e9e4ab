//! An agent of macOS' launchd. Not tried on a Mac: written by its manual, launchd.plist(5).

use std::path::{Path, PathBuf};

use super::quote::xml;
use super::{Installed, Job, Method, NAME, Step, Tool, UnitFile, When, bytes_of, text_of};
use crate::model::{Exit, Failure, describe};
use crate::os::create::{create_folders, remove};
use crate::os::publish::publish;

const PACKAGED: &str = include_str!("../../packaging/launchd/session-warden.plist");

/// How often it runs as it is packaged, in seconds.
const HOURLY: u64 = 3600;

const MARK: &str =
    "<!-- Installed by session-warden schedule; session-warden schedule uninstall removes it. -->";
const MARK_START: &str = "<!-- Installed by session-warden schedule";

/// Where the agents of the user with that home lie.
fn folder(home: &Path) -> PathBuf {
    home.join("Library/LaunchAgents")
}

/// The file for that job.
///
/// # Errors
/// Exit code 2 where launchd cannot say it.
pub fn file(job: &Job, home: &Path) -> Result<UnitFile, Failure> {
    let When::Every(seconds) = job.when else {
        let failure = Failure::new("--on-calendar cannot be used with launchd");
        return Err(failure.with(Exit::Usage).hint("for example --every 1h"));
    };
    let name = job.name();
    let variables = job.variables.iter().map(|(_, value)| value);
    if job.arguments.iter().chain(variables).any(|text| text.contains(is_no_xml)) {
        let message = "a property list cannot hold an option or variable with control characters";
        return Err(Failure::usage(message).hint("remove the control characters"));
    }
    let text = |value: &str| format!("<string>{}</string>", xml(value));
    let binary = job.binary.to_string_lossy();
    let arguments = [&*binary].into_iter().chain(job.arguments.iter().map(String::as_str));
    let arguments: Vec<String> = arguments.map(|word| format!("\t\t{}\n", text(word))).collect();
    let variable = |(name, value): &(String, String)| {
        format!("\t\t<key>{}</key>\n\t\t{}\n", xml(name), text(value))
    };
    let variables = job.variables.iter().map(variable).collect::<Vec<_>>().concat();
    let log = home.join("Library/Logs").join(format!("{name}.log"));
    let log = text(&log.to_string_lossy());
    let more = format!(
        "\t<key>EnvironmentVariables</key>\n\t<dict>\n{variables}\t</dict>\n\
         \t<key>StandardOutPath</key>\n\t{log}\n\t<key>StandardErrorPath</key>\n\t{log}\n"
    );
    let mut body = PACKAGED.replacen("?>\n", &format!("?>\n{MARK}\n"), 1);
    replace(&mut body, "<key>Label</key>\n", "\n", &format!("\t{}", text(&name)));
    replace(&mut body, "<array>\n", "\t</array>", &arguments.concat());
    if seconds != HOURLY {
        let every = format!("\t<key>StartInterval</key>\n\t<integer>{seconds}</integer>\n");
        replace(&mut body, "</array>\n", "\t<key>ProcessType</key>", &every);
    }
    replace(&mut body, "<string>Background</string>\n", "", &more);
    Ok(UnitFile { path: folder(home).join(format!("{name}.plist")), text: body })
}

/// Puts `new` in the place of what stands between the first `before` and the next `after`.
fn replace(text: &mut String, before: &str, after: &str, new: &str) {
    let Some(start) = text.find(before).map(|at| at + before.len()) else { return };
    let Some(length) = text.get(start..).and_then(|rest| rest.find(after)) else { return };
    text.replace_range(start..start + length, new);
}

/// Whether XML 1.0 has no place for that letter.
fn is_no_xml(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\t' | '\n' | '\r')
        || matches!(letter, '\u{fffe}' | '\u{ffff}')
}

fn is_ours(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.any(|line| line.starts_with(MARK_START.as_bytes()))
}

/// Writes the file and loads it.
///
/// # Errors
/// Where that cannot be done.
pub fn install(job: &Job, home: &Path) -> Result<Vec<Step>, Failure> {
    let file = file(job, home)?;
    let shown = file.path.display().to_string();
    let before = bytes_of(&file.path);
    let is_there = file.path.symlink_metadata().is_ok();
    if is_there && !before.as_ref().is_some_and(|before| is_ours(before)) {
        let failure = Failure::new(format!("{shown} was not installed by session-warden schedule"));
        return Err(failure.hint("move it away first; nothing was changed"));
    }
    if before.as_deref() == Some(file.text.as_bytes()) {
        return Ok(vec![Step::Unchanged(shown)]);
    }
    let written = create_folders(&folder(home))
        .and_then(|()| publish(&file.path, file.text.as_bytes(), 0o644));
    written.map_err(|error| {
        Failure::new(format!("cannot write {shown}: {}", describe(&error)))
            .hint("check the permissions of its folder")
    })?;
    let launchctl = Tool(&["launchctl"]);
    if before.is_some() {
        let _ = launchctl.run(&["unload", &shown], None);
    }
    if let Err(failure) = launchctl.must(&["load", "-w", &shown]) {
        let _ = match &before {
            Some(before) => {
                let restored = publish(&file.path, before, 0o644);
                let _ = launchctl.run(&["load", "-w", &shown], None);
                restored
            }
            None => remove(&file.path),
        };
        return Err(failure.hint("correct this and install again; the files were restored"));
    }
    let step = if before.is_some() { Step::Replaced } else { Step::Added };
    Ok(vec![step(shown.clone()), Step::Did(format!("loaded {shown}"))])
}

/// Unloads and removes what was installed under that name, or everything. A dry run changes nothing, and
/// returns the steps that it leaves out.
///
/// # Errors
/// Where something cannot be removed.
pub fn uninstall(only: Option<&str>, home: &Path, is_dry: bool) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for one in installed(home).iter().filter(|one| only.is_none_or(|only| only == one.name)) {
        let removed = Step::Removed(one.what.clone());
        if is_dry {
            steps.push(removed.planned());
            continue;
        }
        let _ = Tool(&["launchctl"]).run(&["unload", "-w", &one.what], None);
        remove(Path::new(&one.what)).map_err(|error| {
            Failure::new(format!("cannot remove {}: {}", one.what, describe(&error)))
                .hint("check the permissions of its folder")
        })?;
        steps.push(removed);
    }
    Ok(steps)
}

/// What is installed here.
pub fn installed(home: &Path) -> Vec<Installed> {
    let files = std::fs::read_dir(folder(home)).into_iter().flatten().flatten();
    let mut found: Vec<Installed> = files
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_suffix(".plist")?.to_owned();
            let text = text_of(&entry.path())?;
            (name.starts_with(NAME) && is_ours(text.as_bytes())).then(|| Installed {
                method: Method::Launchd,
                active: Tool(&["launchctl", "list"]).ask(&[&name]).is_ok_and(|said| said.ok),
                name,
                user: None,
                what: entry.path().display().to_string(),
                next: None,
                last: None,
            })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
