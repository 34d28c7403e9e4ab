//! session-warden: parses the command line, runs the command, and exits with its code.

use session_warden::cli;
use session_warden::config::Environment;
use session_warden::model::{Failure, Timestamp};
use std::ffi::OsString;
use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn main() -> ExitCode {
    let environment = Environment::read();
    let words: Vec<OsString> = std::env::args_os().collect();
    if cli::complete(&words, &environment) {
        return ExitCode::SUCCESS;
    }

    let exit = match cli::parse(words) {
        Ok(cli) => cli::run(cli, &environment, now).unwrap_or_else(|error| {
            let failure = Failure::from(error);
            cli::fail(&failure);
            failure.exit
        }),
        Err(not_a_run) => cli::no_run(&not_a_run, &environment),
    };
    ExitCode::from(exit.code())
}
