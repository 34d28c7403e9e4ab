//! The help that `-h` prints for the program itself: the most common commands and options, in 24 lines.

use clap::Command;
use std::fmt::Write;

use super::args::EXAMPLES;

const ABOUT: &str = "Remove idle Claude Code, Codex and Gemini CLI sessions from a bridge's map";

/// The everyday commands.
const COMMANDS: [&str; 8] =
    ["clean", "list", "remove", "release", "pin", "undo", "doctor", "schedule"];

/// The everyday options.
const OPTIONS: [(&str, &str); 4] = [
    ("-n, --dry-run", "Show what would be removed; change nothing"),
    ("    --hours <H>", "Idle threshold in hours [default: 2]"),
    ("    --session-dir <DIR>", "Folder of the map [default: /tmp/claude_sessions]"),
    ("-h, --help", "Print help; --help lists all commands and options"),
];

/// Returns the text of `-h`.
pub(super) fn short_help(root: &Command) -> String {
    let styles = root.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());

    let mut text = format!(
        "{ABOUT}\n\n{header}Usage:{header:#} {literal}session-warden{literal:#} [OPTIONS] [COMMAND]\n\n\
         {header}Commands:{header:#}\n"
    );
    for name in COMMANDS {
        let Some(command) = root.find_subcommand(name) else { continue };
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {literal}{name:<8}{literal:#}  {about}");
    }

    let _ = writeln!(text, "\n{header}Options:{header:#}");
    for (option, help) in OPTIONS {
        let _ = writeln!(text, "  {literal}{option:<23}{literal:#}  {help}");
    }

    let (title, examples) = EXAMPLES.split_once('\n').unwrap_or_default();
    format!("{text}\n{header}{title}{header:#}\n{examples}")
}
