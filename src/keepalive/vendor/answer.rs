//! Judges a turn with a vendor's CLI: it was done, a usage limit is reached, its user has to log in
//! again, or it failed.
//!
//! The CLIs report these in words alone; the tables below list the words. Of what they print, the category that
//! it is of and its status are shown; one line, without secrets, only if it is of none.

use chrono::{Local, TimeZone};

use super::resets::time_named;
use crate::keepalive::job::{Cli, Outcome};
use crate::keepalive::redact::{last_line, without_colours};
use crate::model::Timestamp;
use crate::process::Ended;

/// A line that has all of these, in lower case, matches.
type Pattern = &'static [&'static str];

const LIMITED: [Pattern; 17] = [
    // Claude Code: "Claude AI usage limit reached|1762952400", "5-hour limit reached ∙ resets 3pm"
    // (anthropics/claude-code 11429), "You've hit your limit · resets 10pm (America/New_York)" (22946),
    // also of a session, a week or a model; "API Error: Rate limit reached" (79500).
    &["limit reached"],
    &["hit your", "limit"],
    &["rate_limit_error"],
    &["api error: 429"],
    // Codex: `UsageLimitReachedError` in its sources, which begins in all forms but three with "You've
    // hit your usage limit"; what its server answers (earendil-works/pi 4172).
    &["usage_limit_reached"],
    &["usage limit has been reached"],
    &["out of credits"],
    &["spend cap"],
    &["429 too many requests"],
    // Gemini CLI: "You have exhausted your capacity on this model." (google-gemini/gemini-cli 13004),
    // "… your daily quota …" (15576), Google's own answers (6962).
    &["exhausted your"],
    &["resource_exhausted"],
    &["exceeded your current quota"],
    &["quota exceeded"],
    &["\"code\": 429"],
    // Of all of them.
    &["insufficient_quota"],
    &["rate limit exceeded"],
    &["out of extra usage"],
];

/// A line that has one of these is about something else: a server of tools that wants a login of its
/// own, or the system's limits.
const OF_OTHERS: [&str; 4] = ["mcp", "open files", "file descriptors", "file size"];

/// Logins that are not accepted, and users who are blocked: what is shown, and the lines. The first that
/// matches counts.
const REFUSED: [(&str, &[Pattern]); 4] = [
    (
        "the plan does not include this CLI",
        // Gemini CLI, of a plan that may not use it any more.
        &[&["ineligibletiererror"]],
    ),
    (
        "the account is blocked",
        &[
            &["organization has been disabled"],
            &["account has been disabled"],
            &["account has been suspended"],
            &["account has been banned"],
        ],
    ),
    (
        "access is denied",
        // By a provider, or by the proxy in front of it.
        &[
            &["permission_error"],
            &["permission_denied"],
            &["api error: 403"],
            &["403 forbidden"],
            &["just a moment..."],
        ],
    ),
    ("the login is not accepted; log in again", &LOGINS),
];

const LOGINS: [Pattern; 21] = [
    // Claude Code: "Invalid API key · Please run /login", "… · Fix external API key" (5666); "API
    // Error: 401 {…"authentication_error"…"OAuth token has expired…"} · Please run /login" (18225).
    &["please run /login"],
    &["invalid api key"],
    &["authentication_error"],
    &["api error: 401"],
    &["oauth token", "expired"],
    &["oauth token", "revoked"],
    &["not logged in"],
    // Codex: "Failed to refresh token: 401 Unauthorized: Your refresh token has already been used …"
    // (openai/codex 6028), "Your access token could not be refreshed because … Please log out and sign
    // in again." (9634).
    &["401 unauthorized"],
    &["could not be refreshed"],
    &["sign in again"],
    &["try signing in again"],
    &["refresh_token_reused"],
    // Gemini CLI: "FatalAuthenticationError: Manual authorization is required but the current session
    // is non-interactive" and "Please set an Auth method …" (`oauth2.ts`, `validateNonInterActiveAuth.ts`);
    // "Cached credentials are not valid: invalid_grant".
    &["fatalauthenticationerror"],
    &["manual authorization is required"],
    &["please set an auth method"],
    &["invalid_grant"],
    &["authentication page in your browser"],
    &["api key not valid"],
    &["unauthenticated"],
    &["\"code\": 401"],
    &["\"code\":401"],
];

/// Failures that may pass: what is shown, and the last lines.
const FAILED: [(&str, &[Pattern]); 5] = [
    ("the server is overloaded", &[&["overloaded"]]),
    (
        "the server has failed",
        &[
            &["internal server error"],
            &["api_error"],
            &["bad gateway"],
            &["service unavailable"],
            &["gateway timeout"],
        ],
    ),
    (
        "the server was not reached",
        &[
            &["connection error"],
            &["error sending request"],
            &["fetch failed"],
            &["stream disconnected"],
            &["econnrefused"],
            &["econnreset"],
            &["enotfound"],
            &["eai_again"],
            &["etimedout"],
        ],
    ),
    ("the credit is used up", &[&["credit balance is too low"]]),
    ("the CLI does not trust its folder", &[&["not running in a trusted"]]),
];

/// What comes before a status in a line, in lower case.
const BEFORE_STATUS: [&str; 9] = [
    "error: ",
    "error ",
    "status ",
    "status: ",
    "status code ",
    "token: ",
    "http ",
    "code\": ",
    "code\":",
];

/// How lines begin, in lower case, that report a failure although the CLI ends with 0, as Claude Code has
/// done (79500). Any other output of a turn that ends with 0 is its answer.
const FAILED_WITH_0: [&str; 15] = [
    "api error:",
    "claude ai usage limit reached|",
    "you've hit your",
    "5-hour limit reached",
    "session limit reached",
    "weekly limit reached",
    "credit balance is too low",
    "your organization has been disabled",
    "oauth token has expired",
    "please run /login",
    "[api error:",
    "invalid api key ·",
    "not logged in ·",
    "ineligibletiererror",
    "gemini cli is not running in a trusted",
];

/// Gemini CLI's exit code where it cannot log in: `FatalAuthenticationError` in its `errors.ts`.
const GEMINI_REFUSED: i32 = 41;

/// Judges the end of a turn. A time of day in its output is of the zone of this machine.
pub fn judge(cli: Cli, ended: &Ended, now: Timestamp) -> Outcome {
    judge_in(cli, ended, now, &Local)
}

fn judge_in(cli: Cli, ended: &Ended, now: Timestamp, zone: &impl TimeZone) -> Outcome {
    let plain = without_colours(&ended.output);
    let lines: Vec<String> = plain.lines().map(|line| line.trim().to_lowercase()).collect();
    if ended.code == Some(0)
        && !ended.timed_out
        && !lines.iter().any(|lower| FAILED_WITH_0.iter().any(|it| lower.starts_with(it)))
    {
        return Outcome::Done;
    }

    // A CLI may try again, so its last message counts.
    for lower in lines.iter().rev() {
        if OF_OTHERS.iter().any(|other| lower.contains(other)) {
            continue;
        }
        if matches(lower, &LIMITED) {
            return Outcome::limited(time_named(&ended.output, now, zone));
        }
        if let Some(why) = category(lower, &REFUSED) {
            return Outcome::Refused { why };
        }
    }

    if cli == Cli::Gemini && ended.code == Some(GEMINI_REFUSED) {
        return Outcome::Refused { why: "it could not log in".to_owned() };
    }

    Outcome::failed(match (ended.timed_out, ended.code, ended.signal) {
        (true, ..) => "it did not finish in time".to_owned(),
        (false, Some(code), _) => {
            failure(&ended.output).unwrap_or_else(|| format!("it failed with exit code {code}"))
        }
        (false, None, Some(signal)) => format!("it was killed by signal {signal}"),
        (false, None, None) => "how it ended is unknown".to_owned(),
    })
}

/// Returns what is shown of the output of a turn that failed.
fn failure(output: &str) -> Option<String> {
    let line = last_line(output)?;
    let lower = line.to_lowercase();
    category(&lower, &FAILED).or_else(|| Some(format!("HTTP {}", status(&lower)?))).or(Some(line))
}

/// Returns the category of a line, with the status in it.
fn category(line: &str, table: &[(&str, &[Pattern])]) -> Option<String> {
    let (why, _) = table.iter().find(|(_, patterns)| matches(line, patterns))?;
    Some(match status(line) {
        Some(status) => format!("{why} (HTTP {status})"),
        None => (*why).to_owned(),
    })
}

/// Returns the first status of an error in a line.
fn status(line: &str) -> Option<u16> {
    let places = BEFORE_STATUS
        .iter()
        .flat_map(|before| line.match_indices(before).map(|(at, before)| at + before.len()));
    let statuses = places.filter_map(|at| Some((at, status_at(&line[at..])?)));
    statuses.min().map(|(_, status)| status)
}

fn status_at(text: &str) -> Option<u16> {
    let end = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|status| end == 3 && (400..=599).contains(status))
}

fn matches(line: &str, table: &[Pattern]) -> bool {
    table.iter().any(|pattern| pattern.iter().all(|part| line.contains(part)))
}

#[cfg(test)]
mod tests;
