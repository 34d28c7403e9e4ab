//! What the CLIs say in the end, as their users have reported it, and what is made of it.

use super::*;
use chrono_tz::Europe::Rome;

fn now() -> Timestamp {
    Timestamp::parse("2026-01-05T11:00:00Z").unwrap()
}

fn answer(cli: Cli, code: i32, said: &str) -> Outcome {
    let said = said.to_owned();
    let ended = Ended { code: Some(code), signal: None, timed_out: false, output: said };
    let answer = judge_in(cli, &ended, now(), &Rome);
    let shown = format!("{answer:?}");
    for token in ["fabricated", "sk-", "eyJ", "ya29", "req_0"] {
        assert!(!shown.contains(token), "{token} in {shown}");
    }
    answer
}

#[track_caller]
fn limited(cli: Cli, said: &str, until: Option<&str>) {
    let until = until.map(|time| Timestamp::parse(time).unwrap());
    assert_eq!(answer(cli, 1, said), Outcome::limited(until), "{said}");
}

#[track_caller]
fn refused(cli: Cli, said: &str, why: &str) {
    let why = why.replace("LOGIN", "the login is not accepted; log in again");
    assert_eq!(answer(cli, 1, said), Outcome::Refused { why }, "{said}");
}

#[track_caller]
fn failed(cli: Cli, said: &str, why: &str) {
    assert_eq!(answer(cli, 1, said), Outcome::failed(why.to_owned()), "{said}");
}

#[test]
fn what_claude_says() {
    let cli = Cli::Claude;
    assert_eq!(answer(cli, 0, "OK\n"), Outcome::Done);
    assert_eq!(
        answer(cli, 0, "You asked about \"limit reached\" and invalid API keys.\n"),
        Outcome::Done
    );
    limited(cli, "Claude AI usage limit reached|1767625200\n", Some("2026-01-05T15:00:00Z"));
    limited(
        cli,
        "You've hit your session limit · resets 3pm (Europe/Rome)",
        Some("2026-01-05T14:00:00Z"),
    );
    limited(cli, "API Error: 429 {\"type\":\"rate_limit_error\"}", None);
    let with_0 = answer(cli, 0, "API Error: Rate limit reached\n");
    assert_eq!(with_0, Outcome::limited(None));
    refused(cli, "Invalid API key · Please run /login", "LOGIN");
    refused(
        cli,
        "API Error: 401 {\"error\":{\"type\":\"authentication_error\",\"message\":\"OAuth token has \
         expired. sk-ant-oat01-fabricated\"},\"request_id\":\"req_011CX7zT7Swc35VFkEUZ57Fo\"} · Please \
         run /login\n\n",
        "LOGIN (HTTP 401)",
    );
    let with_0 = answer(cli, 0, "Not logged in · Please run /login\n");
    assert_eq!(
        with_0,
        Outcome::Refused { why: "the login is not accepted; log in again".to_owned() }
    );
    failed(cli, "API Error: 529 overloaded\n", "the server is overloaded (HTTP 529)");
    assert_eq!(answer(cli, 0, "API Error: 500 x"), Outcome::failed("HTTP 500"));
}

#[test]
fn what_codex_says() {
    let cli = Cli::Codex;
    // It tries again by itself, and what it tells then is no failure.
    assert_eq!(
        answer(cli, 0, "stream error: 429 Too Many Requests; retrying 1/5\nOK"),
        Outcome::Done
    );
    limited(
        cli,
        "ERROR: You've hit your usage limit. Upgrade to Pro (https://x.test) or try again at 3:05 PM.",
        Some("2026-01-05T14:05:00Z"),
    );
    limited(cli, "You’ve hit your usage limit. Try again later.", None);
    limited(
        cli,
        "{\"type\":\"usage_limit_reached\",\"resets_at\":1767625200}",
        Some("2026-01-05T15:00:00Z"),
    );
    limited(cli, "ERROR: Your workspace is out of credits.", None);
    refused(
        cli,
        "OpenAI Codex\nERROR: unexpected status 401 Unauthorized: Bearer fabricated0token\n--------\n",
        "LOGIN (HTTP 401)",
    );
    let again = "Your access token could not be refreshed. Please log out and sign in again.";
    refused(cli, again, "LOGIN");
    failed(
        cli,
        "warming up\nError: stream closed eyJhbGciOi.eyJzdWIi.x\n}\n",
        "Error: stream closed [hidden]",
    );
    failed(cli, "", "it failed with exit code 1");
}

#[test]
fn what_gemini_says() {
    let cli = Cli::Gemini;
    let tried = "Attempt 1 failed: You have exhausted your capacity on this model. Your quota will \
                 reset after 5s.. Retrying after 6173ms...\n";
    assert_eq!(answer(cli, 0, &format!("{tried}OK\n")), Outcome::Done);
    limited(cli, tried, Some("2026-01-05T11:00:05Z"));
    limited(
        cli,
        "[API Error: {\n  \"code\": 429,\n  \"status\": \"RESOURCE_EXHAUSTED\",\n  \"x\": \"reset after \
         8h44m7s.\"\n}\n",
        Some("2026-01-05T19:44:07Z"),
    );
    limited(cli, "[API Error: You have exhausted your daily quota on this model.]", None);
    refused(
        cli,
        "Error authenticating: FatalAuthenticationError: Manual authorization is required\n    at x\n",
        "LOGIN",
    );
    let code = answer(cli, 41, "Something about ya29.fabricated\n");
    assert_eq!(code, Outcome::Refused { why: "it could not log in".to_owned() });
    assert_eq!(answer(cli, 41, ""), Outcome::Refused { why: "it could not log in".to_owned() });
    assert_eq!(
        answer(Cli::Codex, 41, ""),
        Outcome::failed("it failed with exit code 41".to_owned())
    );
    let untrusted = "Gemini CLI is not running in a trusted directory.";
    assert_eq!(answer(cli, 0, untrusted), Outcome::failed("the CLI does not trust its folder"));
}

#[test]
fn what_did_not_end_by_itself() {
    let end = |timed_out, signal, said: &str| {
        let ended = Ended { code: None, signal, timed_out, output: said.to_owned() };
        judge_in(Cli::Gemini, &ended, now(), &Rome)
    };
    assert_eq!(
        end(true, Some(15), "thinking"),
        Outcome::failed("it did not finish in time".to_owned())
    );
    assert_eq!(end(false, Some(9), ""), Outcome::failed("it was killed by signal 9".to_owned()));
    let asks = "Opening authentication page in your browser. Do you want to continue? [Y/n]";
    assert_eq!(
        end(true, Some(15), asks),
        Outcome::Refused { why: "the login is not accepted; log in again".to_owned() }
    );
    // Told to end, it may well end with 0; the turn was not done.
    let ended = Ended { code: Some(0), signal: None, timed_out: true, output: String::new() };
    let late = Outcome::failed("it did not finish in time".to_owned());
    assert_eq!(judge_in(Cli::Claude, &ended, now(), &Rome), late);
}

#[test]
fn the_zone_of_this_machine_is_asked_for() {
    let said = "Claude AI usage limit reached|1767625200".to_owned();
    let ended = Ended { code: Some(1), signal: None, timed_out: false, output: said };
    let until = Timestamp::parse("2026-01-05T15:00:00Z");
    assert_eq!(judge(Cli::Claude, &ended, now()), Outcome::limited(until));
}

#[test]
fn a_block_is_refused_at_once() {
    for (cli, line, why) in [
        (
            Cli::Claude,
            "API Error: 403 {\"error\":{\"type\":\"permission_error\"}}",
            "access is denied (HTTP 403)",
        ),
        (Cli::Claude, "Your account has been disabled", "the account is blocked"),
        (
            Cli::Codex,
            "unexpected status 403 Forbidden: <html>Just a moment...</html>",
            "access is denied (HTTP 403)",
        ),
        (Cli::Codex, "Your account has been banned", "the account is blocked"),
        (
            Cli::Gemini,
            "Error: 403 PERMISSION_DENIED: Your account has been suspended",
            "the account is blocked (HTTP 403)",
        ),
        (Cli::Gemini, "IneligibleTierError: no more", "the plan does not include this CLI"),
    ] {
        refused(cli, line, why);
    }
}

#[test]
fn of_what_is_of_a_category_no_word_is_shown() {
    for line in [
        "API Error: 401 {\"error\":{\"message\":\"evil\"}} · Please run /login",
        "Please run /login at evil.example",
        "API Error: 529 {\"type\":\"overloaded_error\",\"message\":\"evil\"}",
        "API Error: 400 evil",
        "evil: fetch failed",
        "[API Error: evil internal server error]",
        "You've hit your limit, evil",
    ] {
        for cli in [Cli::Claude, Cli::Codex, Cli::Gemini] {
            let answer = answer(cli, 1, line);
            assert!(!format!("{answer:?}").contains("evil"), "{line}: {answer:?}");
        }
    }
    // Of what is of none, one line is, without secrets.
    failed(
        Cli::Codex,
        "first\nit broke: {\"refresh_token\":\"abc\"}\n",
        "it broke: {\"refresh_token\":\"[hidden]\"}",
    );
}

#[test]
fn a_status_is_a_number_of_an_error() {
    for (line, expected) in [
        ("api error: 529 overloaded", Some(529)),
        ("unexpected status 401 unauthorized", Some(401)),
        ("\"code\": 429,", Some(429)),
        ("{\"code\":403}", Some(403)),
        ("http 500, then http 502", Some(500)),
        ("error: 4010", None),
        ("error: 200", None),
        ("error: 401k", None),
        ("it took 450 ms", None),
        ("error: ", None),
    ] {
        assert_eq!(status(line), expected, "{line}");
    }
}

#[test]
fn what_is_about_something_else_decides_nothing() {
    let last = "ERROR: something else";
    let worker =
        "ERROR rmcp::transport::worker: (401 Unauthorized) for url (https://mcp.example/x)";
    failed(Cli::Codex, &format!("{worker}\n{last}\n"), last);
    failed(Cli::Claude, "limit reached for open files", "limit reached for open files");
}

#[test]
fn limits_of_every_form_are_limits_whatever_it_ends_with() {
    for line in ["Rate limit exceeded", "{\"code\":\"insufficient_quota\"}"] {
        limited(Cli::Codex, line, None);
    }
    for line in ["5-hour limit reached ∙ resets 3pm", "Weekly limit reached"] {
        let answer = answer(Cli::Claude, 0, line);
        assert!(matches!(answer, Outcome::RateLimited { .. }), "{line}: {answer:?}");
    }
    let answer = answer(Cli::Gemini, 0, "[API Error: You have exhausted your daily quota]");
    assert!(matches!(answer, Outcome::RateLimited { .. }), "{answer:?}");
    // Colours hide nothing.
    refused(Cli::Claude, "\u{1b}[31mPlease run /login\u{1b}[0m", "LOGIN");
}
