//! An agent of macOS' launchd. Not tried on a Mac: written by its manual, launchd.plist(5).

use std::fs;
use std::path::{Path, PathBuf};

use super::quote::xml;
use super::timer::{Installed, Job, Method, NAME, Step};
use super::tool::Tool;
use super::unit_file::{RESTORED_HINT, Replacement, UnitFile, remove, text_of};
use super::when::When;
use crate::model::Failure;

const PACKAGED: &str = include_str!("../../packaging/launchd/session-warden.plist");

/// How often the packaged agent runs, in seconds.
const HOURLY: u64 = 3600;

const MARK: &str =
    "<!-- Installed by session-warden schedule; session-warden schedule uninstall removes it. -->";
const MARK_START: &str = "<!-- Installed by session-warden schedule";

const LAUNCHCTL: Tool<'static> = Tool(&["launchctl"]);

/// The folder of the agents of the user with that home.
fn folder(home: &Path) -> PathBuf {
    home.join("Library/LaunchAgents")
}

/// The file for that job. Exit code 2 if launchd has no way to express it.
pub fn file(job: &Job, home: &Path) -> Result<UnitFile, Failure> {
    let When::Every(seconds) = job.when else {
        return Err(Failure::usage("--on-calendar cannot be used with launchd")
            .hint("for example --every 1h"));
    };
    let values = job.variables.iter().map(|(_, value)| value);
    if job.arguments.iter().chain(values).any(|text| text.contains(is_no_xml)) {
        let message = "a property list cannot hold an option or variable with control characters";
        return Err(Failure::usage(message).hint("remove the control characters"));
    }

    let name = job.name();
    let mut words = vec![format!("\t\t{}\n", string(&job.binary.to_string_lossy()))];
    words.extend(job.arguments.iter().map(|word| format!("\t\t{}\n", string(word))));
    let variables = job
        .variables
        .iter()
        .map(|(name, value)| format!("\t\t<key>{}</key>\n\t\t{}\n", xml(name), string(value)));
    let variables = variables.collect::<Vec<String>>().concat();
    let log = home.join("Library/Logs").join(format!("{name}.log"));
    let log = string(&log.to_string_lossy());
    let more = format!(
        "\t<key>EnvironmentVariables</key>\n\t<dict>\n{variables}\t</dict>\n\
         \t<key>StandardOutPath</key>\n\t{log}\n\t<key>StandardErrorPath</key>\n\t{log}\n"
    );

    let mut text = PACKAGED.replacen("?>\n", &format!("?>\n{MARK}\n"), 1);
    replace(&mut text, "<key>Label</key>\n", "\n", &format!("\t{}", string(&name)));
    replace(&mut text, "<array>\n", "\t</array>", &words.concat());
    if seconds != HOURLY {
        let every = format!("\t<key>StartInterval</key>\n\t<integer>{seconds}</integer>\n");
        replace(&mut text, "</array>\n", "\t<key>ProcessType</key>", &every);
    }
    replace(&mut text, "<string>Background</string>\n", "", &more);
    Ok(UnitFile { path: folder(home).join(format!("{name}.plist")), text })
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", xml(text))
}

/// Replaces the text between the first `before` and the next `after`.
fn replace(text: &mut String, before: &str, after: &str, new: &str) {
    let Some(start) = text.find(before).map(|at| at + before.len()) else { return };
    let Some(length) = text.get(start..).and_then(|rest| rest.find(after)) else { return };
    text.replace_range(start..start + length, new);
}

/// Returns true if XML 1.0 cannot hold that letter.
fn is_no_xml(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\t' | '\n' | '\r')
        || matches!(letter, '\u{fffe}' | '\u{ffff}')
}

fn is_ours(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.any(|line| line.starts_with(MARK_START.as_bytes()))
}

/// Writes the file and loads it. After a failure, the file is as it was before.
pub fn install(job: &Job, home: &Path) -> Result<Vec<Step>, Failure> {
    let file = file(job, home)?;
    let path = file.path.display().to_string();
    let replacement = Replacement::of(&file, is_ours)?;
    let step = replacement.write()?;
    if matches!(step, Step::Unchanged(_)) {
        return Ok(vec![step]);
    }

    let is_update = replacement.before.is_some();
    if is_update {
        let _ = LAUNCHCTL.run(&["unload", &path], b"");
    }
    if let Err(failure) = LAUNCHCTL.must(&["load", "-w", &path]) {
        replacement.restore();
        if is_update {
            let _ = LAUNCHCTL.run(&["load", "-w", &path], b"");
        }
        return Err(failure.hint(RESTORED_HINT));
    }
    Ok(vec![step, Step::Did(format!("loaded {path}"))])
}

/// Unloads and removes the agent of that name, or all of ours. A dry run changes nothing, and returns the
/// steps that it leaves out.
pub fn uninstall(name: Option<&str>, home: &Path, is_dry: bool) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for agent in installed(home).iter().filter(|agent| name.is_none_or(|name| name == agent.name)) {
        if is_dry {
            steps.push(Step::Removed(agent.what.clone()).planned());
        } else {
            let _ = LAUNCHCTL.run(&["unload", "-w", &agent.what], b"");
            steps.push(remove(Path::new(&agent.what))?);
        }
    }
    Ok(steps)
}

/// The agents that are installed here.
pub fn installed(home: &Path) -> Vec<Installed> {
    let entries = fs::read_dir(folder(home)).into_iter().flatten().flatten();
    let mut found: Vec<Installed> = entries.filter_map(|entry| installed_by(&entry)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn installed_by(entry: &fs::DirEntry) -> Option<Installed> {
    let file = entry.file_name().into_string().ok()?;
    let name = file.strip_suffix(".plist").filter(|name| name.starts_with(NAME))?.to_owned();
    let text = text_of(&entry.path())?;
    is_ours(text.as_bytes()).then(|| Installed {
        method: Method::Launchd,
        active: LAUNCHCTL.ask(&["list", &name]).is_ok_and(|output| output.success),
        name,
        user: None,
        what: entry.path().display().to_string(),
        next: None,
        last: None,
    })
}
