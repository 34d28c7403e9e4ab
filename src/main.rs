//! session-warden: runs the command that was typed, prints its error, and exits with its code.

use session_warden::cli;
use session_warden::config::Environment;
use session_warden::model::{Failure, Timestamp};
use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn main() -> ExitCode {
    let environment = Environment::read();
    let words = std::env::args_os().collect();
    let exit = cli::run(words, &environment, now).unwrap_or_else(|error| {
        let failure = Failure::from(error);
        cli::fail(&failure);
        failure.exit
    });
    ExitCode::from(exit.code())
}
