//! One command of the grammar as a man page.
//!
//! Everything comes from the grammar, so that a new option or command is in its page by itself; exit
//! codes and environment are read out of the text below the help. Only the files are written here.
//! No date is in a page: the same program makes the same pages on any day.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::config::{MAP_NAME, SESSION_DIR};

/// The part of the manual for programs that users run.
const SECTION: &str = "1";

/// Files, what they are, and the option that a command has which deals with them.
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

/// The grammar with all that clap adds to it, but for the `help` commands, which have no page.
pub(super) fn built(root: Command) -> Command {
    fn without_help(command: Command) -> Command {
        command.disable_help_subcommand(true).mut_subcommands(without_help)
    }
    let mut root = without_help(root);
    root.build();
    root
}

/// The commands right below that one which users are meant to see.
pub(super) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

/// That command and every one below it.
pub(super) fn all(command: &Command) -> Vec<&Command> {
    let mut found = vec![command];
    found.extend(visible(command).flat_map(all));
    found
}

/// The name of a page: `session-warden-undo`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Where a page lies in a folder of pages.
pub(super) fn file_name(command: &Command) -> String {
    format!("{}.{SECTION}", name(command))
}

/// The page of that command of that program; both are [`built`].
pub(super) fn roff(command: &Command, root: &Command) -> String {
    let mut page = Roff::new();
    // Without the commit: a page is about the version.
    let version = root.get_version().and_then(|version| version.split(' ').next());
    let version = format!("{} {}", root.get_name(), version.unwrap_or_default());
    // An empty date, which roff's own writer would leave out.
    page.control("TH", [&name(command).to_uppercase(), SECTION, "\"\"", &version, "User Commands"]);
    // No hyphen is added to names of options and files, and no gaps are stretched between them.
    page.control("nh", []).control("ad", ["l"]);

    let about = command.get_long_about().or_else(|| command.get_about());
    let about = paragraphs(&about.map(ToString::to_string).unwrap_or_default());
    page.control("SH", ["NAME"]);
    let short = about.first().map(String::as_str).unwrap_or_default();
    page.text([roman(format!("{} - {}", name(command), in_a_line(short)))]);

    let mut text = page.render();
    let forms = command.clone().render_usage().to_string();
    let forms = forms.strip_prefix("Usage: ").unwrap_or(&forms).to_owned();
    let generated = command.clone().override_usage(forms).subcommand_help_heading("COMMANDS");
    let generated = Man::new(generated).section(SECTION);
    text += &without_preamble(|into| generated.render_synopsis_section(into));

    let mut page = Roff::new();
    page.control("SH", ["DESCRIPTION"]);
    for paragraph in &about {
        let end = if paragraph.ends_with(['.', ':']) { "" } else { "." };
        page.control("PP", []).text([roman(format!("{paragraph}{end}"))]);
    }
    text += &without_preamble(|into| page.to_writer(into));
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        let options = without_preamble(|into| generated.render_options_section(into));
        text += &grouped(command, options);
    }
    if visible(command).next().is_some() {
        text += &without_preamble(|into| generated.render_subcommands_section(into));
    }

    let mut page = Roff::new();
    for section in sections(command, root) {
        section.write(&mut page);
    }
    see_also(command, root, &mut page);
    text += &without_preamble(|into| page.to_writer(into));
    // To roff these are accents above a letter.
    text.replace('~', "\\(ti").replace('^', "\\(ha").replace('`', "\\(ga")
}

/// Makes each group of options a part of the section OPTIONS.
fn grouped(command: &Command, mut options: String) -> String {
    for heading in command.get_arguments().filter_map(clap::Arg::get_help_heading) {
        for (section, shown) in [
            (format!("\n.SH \"{}\"\n", heading.to_uppercase()), format!("\n.SS \"{heading}\"\n")),
            (format!("\n.SH {}\n", heading.to_uppercase()), format!("\n.SS {heading}\n")),
        ] {
            options = options.replace(&section, &shown);
        }
    }
    options
}

/// Each part of a page begins with the same definition, of which the first is enough.
fn without_preamble(write: impl Fn(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and what is written is text.
    let _ = write(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.strip_prefix(&Roff::new().render()).unwrap_or(&text).to_owned()
}

/// Each paragraph as one line.
fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n").map(|lines| lines.lines().collect::<Vec<_>>().join(" ")).collect()
}

/// As it stands behind the name of a page: no capital, no period.
fn in_a_line(text: &str) -> String {
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

/// The sections that the text below the help tells, those of the program that the command does not
/// tell itself, and the files.
fn sections(command: &Command, root: &Command) -> Vec<Section> {
    let told = |command: &Command| {
        let text = command.get_after_long_help().or_else(|| command.get_after_help());
        Section::all(&text.map(ToString::to_string).unwrap_or_default())
    };
    let has = |option: &str| command.get_arguments().any(|arg| arg.get_long() == Some(option));
    let files = FILES.iter().filter(|(option, ..)| has(option)).map(|(_, file, meaning)| {
        let file = if *file == MAP_NAME { format!("{SESSION_DIR}/{file}") } else { (*file).into() };
        (file, (*meaning).to_owned())
    });
    let files: Vec<_> = files.collect();
    let mut sections = told(command);
    for mut section in told(root) {
        let is_environment = section.title == "ENVIRONMENT";
        // A command without a file of its own, such as `man`, asks for no variable either.
        if sections.iter().any(|own| own.title == section.title)
            || (is_environment && files.is_empty())
        {
            continue;
        }
        if is_environment {
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
    /// What stands below a help: blocks with a title, in which each line of two spaces begins a term
    /// and deeper ones go on with its meaning.
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
                let told = line.trim_start();
                match (line.len() - told.len(), entries.last_mut()) {
                    (3.., Some((_, meaning))) => {
                        let gap = if meaning.is_empty() { "" } else { " " };
                        *meaning = format!("{meaning}{gap}{told}");
                    }
                    (2.., _) => {
                        let (term, meaning) = told.split_once("  ").unwrap_or((told, ""));
                        entries.push((term.to_owned(), meaning.trim_start().to_owned()));
                    }
                    _ => entries.push((String::new(), told.to_owned())),
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

/// All other pages, by their names.
fn see_also(command: &Command, root: &Command, page: &mut Roff) {
    let others = all(root).into_iter().map(name).filter(|other| *other != name(command));
    let mut line: Vec<Inline> = Vec::new();
    for other in others {
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
