//! What an installed timer or line hands on to the clean that it runs, read back from its files: the
//! program, its options, its variables and how often.

use std::path::{Path, PathBuf};

use crate::config::{STATE_DIR, state_dir_in};

use super::quote::{command_words, shell_words, unit_words};
use super::{Installed, Method, NAME, When, text_of};

/// What a clean is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledCommand {
    /// The program, where it can be told.
    pub binary: Option<PathBuf>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The variables that are set for it, beside those of systemd or cron.
    pub variables: Vec<(String, String)>,
    /// Every how many seconds it runs, where that can be told.
    pub every: Option<u64>,
}

impl InstalledCommand {
    /// The value of an option of the clean, such as `--profile`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix(name) {
                Some("") => return words.next().map(String::as_str),
                Some(rest) if rest.starts_with('=') => return rest.get(1..),
                _ => {}
            }
        }
        None
    }

    /// Whether that option, which takes no value, is there.
    pub fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|word| word == name)
    }

    /// Where its runs remember, as far as what is handed on tells.
    pub fn state_dir(&self) -> Option<PathBuf> {
        let variable = |name: &str| {
            let mut set = self.variables.iter();
            set.find_map(|(known, value)| (known == name).then(|| PathBuf::from(value)))
        };
        if let Some(said) = self.option("--state-dir") {
            return Some(said.into());
        }
        if let Some(own) = variable(STATE_DIR) {
            return Some(own);
        }
        let moved = variable("XDG_STATE_HOME").map(|folder| folder.join(NAME));
        moved.or_else(|| Some(state_dir_in(&variable("HOME")?)))
    }
}

/// What that hands on; nothing where it cannot be read, or is an agent of launchd's.
pub fn parse_installed(one: &Installed) -> Option<InstalledCommand> {
    match one.method {
        Method::Cron => of_line(&one.what),
        Method::SystemdUser | Method::SystemdSystem => {
            let timer = Path::new(&one.what);
            Some(of_units(&text_of(&service_of(timer)?)?, &text_of(timer)?))
        }
        Method::Launchd => None,
    }
}

/// The file of the service beside that of its timer: `x.service`, or `x@u.service.d/schedule.conf`.
fn service_of(timer: &Path) -> Option<PathBuf> {
    let name = timer.file_name()?.to_str()?;
    if let Some(stem) = name.strip_suffix(".timer") {
        return Some(timer.with_file_name(format!("{stem}.service")));
    }
    let folder = timer.parent()?;
    let stem = folder.file_name()?.to_str()?.strip_suffix(".timer.d")?;
    Some(folder.with_file_name(format!("{stem}.service.d")).join(name))
}

fn of_units(service: &str, timer: &str) -> InstalledCommand {
    let mut handed = InstalledCommand::default();
    for line in service.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key.trim_end() {
            "ExecStart" => {
                let mut words = command_words(value).into_iter();
                handed.binary = words.next().map(PathBuf::from);
                handed.arguments = words.collect();
            }
            "Environment" if value.trim().is_empty() => handed.variables.clear(),
            "Environment" => handed.variables.extend(unit_words(value).iter().filter_map(assigned)),
            _ => {}
        }
    }
    let mut calendars = timer.lines().filter_map(|line| line.strip_prefix("OnCalendar="));
    let calendar = calendars.rfind(|calendar| !calendar.trim().is_empty());
    handed.every = calendar.and_then(|calendar| When::seconds_of(calendar.trim()));
    handed
}

fn of_line(line: &str) -> Option<InstalledCommand> {
    let (time, command) = split(line)?;
    let words = shell_words(&command);
    let mut handed =
        InstalledCommand { every: When::seconds_of(&time), ..InstalledCommand::default() };
    let mut words = &words[..];
    while let Some((variable, rest)) =
        words.split_first().and_then(|(word, rest)| Some((assigned(word)?, rest)))
    {
        handed.variables.push(variable);
        words = rest;
    }
    // What somebody has written by hand may do something else first.
    let is_program = |word: &String| Path::new(word).file_name() == Some(NAME.as_ref());
    let before = words.iter().position(is_program).unwrap_or(0);
    let mut words = words.iter().skip(before);
    handed.binary = words.next().map(PathBuf::from);
    handed.arguments = words.cloned().collect();
    Some(handed)
}

/// The time of a line in a crontab, and its command; nothing where it has none.
pub(super) fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let count = if line.starts_with('@') { 1 } else { 5 };
    let (mut time, mut rest) = (Vec::new(), line);
    for _ in 0..count {
        let (field, more) = rest.split_once(|letter: char| letter.is_whitespace())?;
        time.push(field);
        rest = more.trim_start();
    }
    Some((time.join(" "), rest.replace("\\%", "%")))
}

/// A word that sets a variable.
fn assigned(word: impl AsRef<str>) -> Option<(String, String)> {
    let (name, value) = word.as_ref().split_once('=')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::systemd::Systemd;
    use crate::schedule::{Account, Job, Work, cron};

    /// Whatever is installed, what it hands on can be read back.
    #[test]
    fn what_was_installed_is_read_back() {
        let mut job = Job {
            work: Work::Clean { profile: None },
            binary: "/opt/my tools/session-warden".into(),
            arguments: ["clean", "-q", "--pin=50%*", "--map=/a $b/it's"]
                .map(str::to_owned)
                .to_vec(),
            variables: vec![
                ("CLAUDE_SESSION_DIR".into(), "/srv/it's 100% \"here\\".into()),
                ("HOME".into(), "/home/u".into()),
            ],
            when: When::Every(900),
            user: None,
            reads: vec![],
            states: vec![],
            writes: vec!["/w".into()],
        };
        let handed = InstalledCommand {
            binary: Some(job.binary.clone()),
            arguments: job.arguments.clone(),
            variables: job.variables.clone(),
            every: Some(900),
        };
        assert_eq!(of_line(&cron::line(&job).unwrap()).unwrap(), handed);
        let user = Systemd::of_user(Path::new("/c"));
        let files = user.files(&job).unwrap();
        assert_eq!(service_of(&files[1].path).as_ref(), Some(&files[0].path));
        assert_eq!(of_units(&files[0].text, &files[1].text), handed);
        job.user = Some(Account { name: "a-b".into(), id: 7, home: "/home/a".into() });
        let files = Systemd::of_system().files(&job).unwrap();
        let [service, timer] = ["service.d", "timer.d"].map(|part| {
            files.iter().find(|file| file.path.to_string_lossy().contains(part)).unwrap()
        });
        assert_eq!(service_of(&timer.path).as_ref(), Some(&service.path));
        assert_eq!(of_units(&service.text, &timer.text), handed);
    }

    #[test]
    fn lines_by_hand_are_read_as_far_as_they_can_be() {
        let handed = of_line("@hourly A=b session-warden -q # mine").unwrap();
        assert_eq!(handed.variables, [("A".to_owned(), "b".to_owned())]);
        assert_eq!((handed.arguments.len(), handed.every), (1, None));
        let handed = of_line("@daily cd /x && /opt/session-warden -q").unwrap();
        assert_eq!(handed.binary, Some("/opt/session-warden".into()));
        assert_eq!(of_line("5 * * * * x").unwrap().every, Some(3600));
        assert_eq!(of_line("5 * *"), None);
    }
}
