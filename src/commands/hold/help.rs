//! The end of the help of `hold` and its subcommands.

use crate::commands::options::own_variables;

pub(crate) const ALL: &str = concat!(
    "\
Examples:
  session-warden hold --session ID -- make world
  session-warden hold start --session ID --key build-7
  session-warden hold stop --key build-7

Exit codes:
  N    the exit code of COMMAND, or 128 plus the signal that killed it
  2    wrong usage or configuration; COMMAND was not run
  126  COMMAND cannot be run
  127  COMMAND was not found

Environment:
  SESSION_WARDEN_SEND_KEEPALIVES
                      1, true, yes or on allows --beat-command, which gets
                      SESSION_WARDEN_SESSION or SESSION_WARDEN_CHAT, and
                      SESSION_WARDEN_REASON
",
    own_variables!()
);

pub(crate) const START: &str = concat!(
    "\
Examples:
  session-warden hold start --session ID --key build-7
  session-warden hold start --chat ID --key build-7 --ttl 1h

Exit codes:
  0  the session is held
  1  failed: the session is not held; with --from-hook, also wrong usage
  2  wrong usage or configuration

Environment:
",
    own_variables!()
);

pub(crate) const STOP: &str = concat!(
    "\
Examples:
  session-warden hold stop --key build-7

Exit codes:
  0  the hold has ended, or there was none
  1  failed: the hold cannot be removed; with --from-hook, also wrong usage
  2  wrong usage or configuration

Environment:
",
    own_variables!()
);

pub(crate) const BEAT: &str = concat!(
    "\
Examples:
  session-warden hold beat --key build-7

Exit codes:
  0  the hold was renewed
  1  failed: there is no such hold, or its process has ended
  2  wrong usage or configuration

Environment:
",
    own_variables!()
);

pub(crate) const LIST: &str = concat!(
    "\
Examples:
  session-warden hold list
  session-warden hold list --json

Exit codes:
  0  done
  1  failed: the holds cannot be read
  2  wrong usage or configuration
  3  done, but some holds cannot be read; see the warnings

Environment:
",
    own_variables!()
);
