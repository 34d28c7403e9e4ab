//! The command of an installed timer, read back from its files or its line.

use std::path::{Path, PathBuf};

use super::cron_command::words_of;
use super::quote::{command_words, unit_words};
use super::timer::{Installed, Method, NAME};
use super::unit_file::text_of;
use super::when::When;
use crate::config::{STATE_DIR, state_dir_in};

/// The command that a timer runs, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledCommand {
    /// The program, if it is known.
    pub binary: Option<PathBuf>,
    pub arguments: Vec<String>,
    /// The variables that are set for it, besides those of systemd or cron.
    pub variables: Vec<(String, String)>,
    /// Every how many seconds it runs, if that is known.
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

    /// Returns true if it has that option, which takes no value.
    pub fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|word| word == name)
    }

    /// The state folder of its runs, as far as its options and variables show it.
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.option("--state-dir")
            .or_else(|| self.variable(STATE_DIR))
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(self.variable("XDG_STATE_HOME")?).join(NAME)))
            .or_else(|| Some(state_dir_in(Path::new(self.variable("HOME")?))))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the command of an installed timer; nothing if it cannot be read, or is an agent of launchd.
pub fn parse_installed(timer: &Installed) -> Option<InstalledCommand> {
    match timer.method {
        Method::Cron => of_line(&timer.what),
        Method::SystemdUser | Method::SystemdSystem => {
            let timer = Path::new(&timer.what);
            Some(of_units(&text_of(&service_of(timer)?)?, &text_of(timer)?))
        }
        Method::Launchd => None,
    }
}

/// The file of the service of that timer: `x.service`, or `x@u.service.d/schedule.conf`.
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
    let mut command = InstalledCommand::default();
    for line in service.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key.trim_end() {
            "ExecStart" => {
                let mut words = command_words(value).into_iter();
                command.binary = words.next().map(PathBuf::from);
                command.arguments = words.collect();
            }
            "Environment" if value.trim().is_empty() => command.variables.clear(),
            "Environment" => {
                command
                    .variables
                    .extend(unit_words(value).iter().filter_map(|word| assigned(word)));
            }
            _ => {}
        }
    }

    let mut calendars = timer.lines().filter_map(|line| line.strip_prefix("OnCalendar="));
    let calendar = calendars.rfind(|calendar| !calendar.trim().is_empty());
    command.every = calendar.and_then(|calendar| When::seconds_of(calendar.trim()));
    command
}

fn of_line(line: &str) -> Option<InstalledCommand> {
    let (time, command) = split(line)?;
    let words = words_of(&command);
    let variables: Vec<_> = words.iter().map_while(|word| assigned(word)).collect();
    let words = words.get(variables.len()..).unwrap_or_default();

    // A line that was written by hand may do something else first.
    let mut names = words.iter().map(|word| Path::new(word).file_name());
    let program = names.position(|name| name == Some(NAME.as_ref())).unwrap_or(0);
    let mut words = words.iter().skip(program);
    Some(InstalledCommand {
        binary: words.next().map(PathBuf::from),
        arguments: words.cloned().collect(),
        variables,
        every: When::seconds_of(&time),
    })
}

/// Splits a line of a crontab into its time and its command; nothing if it has none.
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

/// The variable that a word sets, and its value.
fn assigned(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());

    is_name.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::cron;
    use crate::schedule::systemd::Systemd;
    use crate::schedule::timer::{Account, Job, Work};

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
            remarks: vec![],
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
