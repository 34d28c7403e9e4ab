//! The end of the help of `keepalive` and its subcommands.

use crate::commands::options::own_variables;

pub(crate) const ALL: &str = "\
Examples:
  session-warden keepalive check
  session-warden keepalive run -n
  session-warden schedule install --keepalive

Exit codes:
  0   done
  1   failed: the state of the jobs cannot be read or written
  2   wrong usage or configuration
  3   done, but a job failed or has a problem
  75  another pass is running; nothing was done";

/// The sources of the key of `claude-web-ping`.
macro_rules! key_variables {
    () => {
        "  CREDENTIALS_DIRECTORY, SESSION_KEY
                      where claude-web-ping finds its key if the job has no
                      key_file: a file session-key in this folder, or the key"
    };
}

/// The exit codes of `enable` and `disable`.
macro_rules! able_codes {
    () => {
        concat!(
            "\
Exit codes:
  0   done
  1   failed: the state of the jobs cannot be read or written
  2   wrong usage or configuration, or there is no such job
  75  a pass is running; nothing was done

Environment:
",
            own_variables!()
        )
    };
}

pub(crate) const RUN: &str = concat!(
    "\
Examples:
  session-warden keepalive run -n
  session-warden keepalive run my-job --force

Exit codes:
  0   done, whether or not a job was due
  1   failed: the state of the jobs cannot be read or written
  2   wrong usage or configuration
  3   done, but a job failed, or a signal stopped the pass
  75  another pass is running; nothing was done

Environment:
",
    key_variables!(),
    "
  CLAUDE_CONFIG_DIR, CODEX_HOME, GEMINI_CLI_HOME
                      where the CLIs keep their logins
",
    own_variables!()
);

pub(crate) const STATUS: &str = concat!(
    "\
Examples:
  session-warden keepalive status
  session-warden keepalive status --json | jq '.jobs[] | select(.failures > 0)'

Exit codes:
  0   done, whatever the state of the jobs
  1   failed: the state of the jobs cannot be read
  2   wrong usage or configuration
  3   the state of the jobs was damaged and has been set aside

Environment:
",
    own_variables!()
);

pub(crate) const CHECK: &str = concat!(
    "\
Examples:
  session-warden keepalive check
  session-warden keepalive check --json

Exit codes:
  0   each job can run
  1   failed: the state of the jobs cannot be read
  2   wrong usage or configuration
  3   a job has a problem

Environment:
",
    own_variables!()
);

pub(crate) const ENABLE: &str = concat!(
    "\
Examples:
  session-warden keepalive enable my-job

",
    able_codes!()
);

pub(crate) const DISABLE: &str = concat!(
    "\
Examples:
  session-warden keepalive disable my-job

",
    able_codes!()
);

#[cfg(feature = "serve")]
pub(crate) const SERVE: &str = concat!(
    "\
Examples:
  session-warden keepalive serve
  session-warden keepalive serve --listen 0.0.0.0:3000

Exit codes:
  0   stopped by a signal
  1   failed: it cannot listen
  2   wrong usage or configuration
  75  another process serves from this state folder; nothing was done

Environment:
  PORT                the port to listen on, on all addresses
",
    key_variables!(),
    "
  PROMPT_INTERVAL_MS, TIMEZONE, SILENCE_START, SILENCE_END
                      with SESSION_KEY and no job in the configuration: when to
                      ping (3600000, Europe/Amsterdam, 01:00, 07:00)
",
    own_variables!()
);
