//! One command of the grammar as a man page.
//!
//! `clap_mangen` writes most of it from the grammar. Exit codes, environment and examples are read out of the
//! text below the help, and only the files are described here.
//! No date is in a page: the same program makes the same pages on any day.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::config::{MAP_NAME, SESSION_DIR};

/// The part of the manual for programs that users run.
const SECTION: &str = "1";

/// An option, a file that the commands with this option use, and a description of it.
const FILES: [(&str, &str, &str); 7] = [
    ("map", MAP_NAME, "the bridge's map, unless an option or a variable names another"),
    (
        "map",
        ".session_map.json.session-warden.lock",
        "the lock beside the map: an empty file that is kept",
    ),
    (
        "state-dir",
        "~/.local/state/session-warden/",
        "the state folder, unless --state-dir, SESSION_WARDEN_STATE_DIR or XDG_STATE_HOME is \
         used: removals.jsonl (removed mappings), restored.jsonl (restored mappings), runs.jsonl \
         (past runs), maps.jsonl (maps that runs have found) and pins.json (pinned chats)",
    ),
    ("state-dir", "~/.local/state/session-warden/holds/", "a file for each hold"),
    (
        "config",
        "~/.config/session-warden/config.toml",
        "the configuration, unless --config, SESSION_WARDEN_CONFIG or XDG_CONFIG_HOME is used",
    ),
    (
        "home",
        "~/.claude/projects/, ~/.codex/sessions/, ~/.codex/archived_sessions/, ~/.gemini/tmp/",
        "the sessions of Claude Code, Codex and Gemini CLI; never changed",
    ),
    ("home", "~/.vibe/logs/session/, ~/.vibe/sessions/", "the sessions of vibe; never changed"),
];

/// Returns the grammar with all that clap adds to it, but for the `help` commands, which have no page.
pub(super) fn built(root: Command) -> Command {
    fn without_help(command: Command) -> Command {
        command.disable_help_subcommand(true).mut_subcommands(without_help)
    }
    let mut root = without_help(root);
    root.build();
    root
}

/// Returns the commands right below that one which users are meant to see.
pub(super) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

/// Returns that command and every one below it.
pub(super) fn all(command: &Command) -> Vec<&Command> {
    let mut found = vec![command];
    found.extend(visible(command).flat_map(all));
    found
}

/// Returns the name of a page: `session-warden-undo`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

pub(super) fn file_name(command: &Command) -> String {
    format!("{}.{SECTION}", name(command))
}

/// Returns the page of that command of that program; both are [`built`].
pub(super) fn roff(command: &Command, root: &Command) -> String {
    let mut sections = Roff::new();
    for section in all_sections(command, root) {
        section.write(&mut sections);
    }
    see_also(command, root, &mut sections);

    let page = generated(command, root);
    // Both begin with the same definitions, of which one is enough.
    let sections = sections.render();
    let page = page + sections.strip_prefix(&Roff::new().render()).unwrap_or(&sections);
    // To roff these are accents above a letter.
    page.replace('~', "\\(ti").replace('^', "\\(ha").replace('`', "\\(ga")
}

/// Returns the part of a page that `clap_mangen` writes: its title, name, synopsis, description, options and
/// commands.
fn generated(command: &Command, root: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let short = about.split("\n\n").next().unwrap_or_default();
    let paragraphs: Vec<String> = about
        .split("\n\n")
        .map(|text| format!("{text}{}", if text.ends_with(['.', ':']) { "" } else { "." }))
        .collect();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();

    // Without the commit: a page is about the version.
    let version = root.get_version().and_then(|version| version.split(' ').next());
    let title = name(command).to_uppercase();
    let command = command
        .clone()
        .about(in_a_line(short))
        .long_about(paragraphs.join("\n\n"))
        .override_usage(usage)
        .subcommand_help_heading("COMMANDS")
        .version(None)
        .long_version(None)
        .after_help(None)
        .after_long_help(None);
    let page = Man::new(command.clone())
        .title(title)
        .section(SECTION)
        // Empty: without the quotes, the next field would be taken for it.
        .date("\"\"")
        .source(format!("{} {}", root.get_name(), version.unwrap_or_default()))
        .manual("User Commands");
    let mut text = Vec::new();
    // Writing to memory does not fail, and the page is text.
    let _ = page.render(&mut text);
    let text = String::from_utf8_lossy(&text);
    // No hyphen is added to names of options and files, and no gaps are stretched between them.
    with_groups(&command, text.replacen("\n.SH NAME\n", "\n.nh\n.ad l\n.SH NAME\n", 1))
}

/// Makes each group of options a part of the section OPTIONS.
fn with_groups(command: &Command, mut page: String) -> String {
    for heading in command.get_arguments().filter_map(clap::Arg::get_help_heading) {
        let upper = heading.to_uppercase();
        page = page
            .replace(&format!("\n.SH \"{upper}\"\n"), &format!("\n.SS \"{heading}\"\n"))
            .replace(&format!("\n.SH {upper}\n"), &format!("\n.SS {heading}\n"));
    }
    page
}

/// Returns a sentence as it follows the name of a page: one line without a capital and a period.
fn in_a_line(text: &str) -> String {
    let text = text.lines().collect::<Vec<_>>().join(" ");
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // An abbreviation keeps its capitals.
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// A section behind the options: terms with their meaning.
struct Section {
    title: String,
    lead: Option<&'static str>,
    entries: Vec<(String, String)>,
}

/// Returns the sections of the text below the command's help, those of the program that the command has not
/// itself, and the files.
fn all_sections(command: &Command, root: &Command) -> Vec<Section> {
    let files: Vec<(String, String)> = FILES
        .iter()
        .filter(|(option, ..)| command.get_arguments().any(|arg| arg.get_long() == Some(option)))
        .map(|(_, file, meaning)| match *file {
            MAP_NAME => (format!("{SESSION_DIR}/{file}"), (*meaning).to_owned()),
            file => (file.to_owned(), (*meaning).to_owned()),
        })
        .collect();

    let mut sections = Section::of_help(command);
    for mut section in Section::of_help(root) {
        if sections.iter().any(|own| own.title == section.title) {
            continue;
        }
        if section.title == "ENVIRONMENT" {
            // A command without a file of its own, such as `man`, reads no variable either.
            if files.is_empty() {
                continue;
            }
            section.lead = Some("Not every command reads all of these variables.");
        }
        sections.push(section);
    }
    if !files.is_empty() {
        sections.push(Section { title: "FILES".into(), lead: None, entries: files });
    }
    sections
}

impl Section {
    fn of_help(command: &Command) -> Vec<Self> {
        let text = command.get_after_long_help().or_else(|| command.get_after_help());
        Self::all(&text.map(ToString::to_string).unwrap_or_default())
    }

    /// Reads the text below a help: blocks with a title, in which each line of two spaces begins a term
    /// and deeper ones continue its meaning.
    fn all(text: &str) -> Vec<Self> {
        let mut sections = Vec::new();
        for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let (title, body) = match block.split_once('\n') {
                Some((first, body)) if first.ends_with(':') => (first.trim_end_matches(':'), body),
                _ => ("Notes", block),
            };
            let title = if title == "Exit codes" { "Exit status" } else { title };

            let mut entries: Vec<(String, String)> = Vec::new();
            for line in body.lines() {
                let text = line.trim_start();
                match (line.len() - text.len(), entries.last_mut()) {
                    (3.., Some((_, meaning))) => {
                        let gap = if meaning.is_empty() { "" } else { " " };
                        *meaning = format!("{meaning}{gap}{text}");
                    }
                    (2.., _) => {
                        let (term, meaning) = text.split_once("  ").unwrap_or((text, ""));
                        entries.push((term.to_owned(), meaning.trim_start().to_owned()));
                    }
                    _ => entries.push((String::new(), text.to_owned())),
                }
            }
            sections.push(Self { title: title.to_uppercase(), lead: None, entries });
        }
        sections
    }

    fn write(&self, page: &mut Roff) {
        page.control("SH", [self.title.as_str()]);
        if let Some(lead) = self.lead {
            page.text([roman(lead)]);
        }
        for (term, meaning) in &self.entries {
            match (term.as_str(), meaning.as_str()) {
                ("", meaning) => page.control("PP", []).text([roman(meaning)]),
                (term, "") => page.control("PP", []).text([bold(term)]),
                (term, meaning) => page.control("TP", []).text([bold(term)]).text([roman(meaning)]),
            };
        }
    }
}

/// Lists all other pages, by their names.
fn see_also(command: &Command, root: &Command, page: &mut Roff) {
    let mut line: Vec<Inline> = Vec::new();
    for other in all(root).into_iter().map(name).filter(|other| *other != name(command)) {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(other), roman(format!("({SECTION})"))]);
    }
    page.control("SH", ["SEE ALSO"]).text(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn the_text_below_the_help_becomes_sections() {
        let text = "Exit codes:\n  0   done\n  75  another\n      run\n\nEnvironment:\n  A, B\n      both\n\n\
                    Examples:\n  x man | man -l -\n\nA line alone,\nand one more.";
        let sections = Section::all(text);
        let found: Vec<_> = sections
            .iter()
            .flat_map(|section| {
                section.entries.iter().map(|(term, meaning)| {
                    (section.title.as_str(), term.as_str(), meaning.as_str())
                })
            })
            .collect();
        assert_eq!(
            found,
            [
                ("EXIT STATUS", "0", "done"),
                ("EXIT STATUS", "75", "another run"),
                ("ENVIRONMENT", "A, B", "both"),
                ("EXAMPLES", "x man | man -l -", ""),
                ("NOTES", "", "A line alone,"),
                ("NOTES", "", "and one more."),
            ]
        );
        assert!(Section::all("").is_empty());
    }

    #[test]
    fn nested_commands_have_pages_and_hidden_ones_and_help_have_none() {
        let schedule = Command::new("schedule")
            .about("Run by itself.")
            .subcommand(Command::new("install").about("JSON it is").arg(Arg::new("at").long("at")))
            .subcommand(Command::new("secret").hide(true));
        let root = built(Command::new("x").version("1").about("Does it").subcommand(schedule));
        let pages = all(&root);
        let names: Vec<String> = pages.iter().map(|page| file_name(page)).collect();
        assert_eq!(names, ["x.1", "x-schedule.1", "x-schedule-install.1"]);
        let page = roff(pages[1], &root);
        assert!(page.contains(".TH X-SCHEDULE 1 \"\" \"x 1\" \"User Commands\"\n"), "{page}");
        assert!(page.contains("x\\-schedule \\- run by itself\n"), "{page}");
        assert!(page.contains("x\\-schedule\\-install(1)") && !page.contains("secret"), "{page}");
        let page = roff(pages[2], &root);
        assert!(page.contains("x\\-schedule\\-install \\- JSON it is\n"), "{page}");
        assert!(page.contains("\\fBx schedule install\\fR"), "{page}");
        assert_eq!(page.matches("ds Aq").count(), 2, "one definition, for both kinds of roff");
    }
}
