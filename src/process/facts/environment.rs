//! The variables that a process was started with.

use std::io;

use crate::process::proc;

/// An environment. A process may have changed its own since, which is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment(Vec<u8>);

impl Environment {
    /// Reads the environment of process `pid`; nothing if it has ended.
    pub(super) fn read(pid: u32) -> io::Result<Option<Self>> {
        Ok(proc::read_live(pid, "environ")?.map(Self))
    }

    /// The value of the variable called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let mut variables = self.0.split(|byte| *byte == 0);
        variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment =
            Environment(b"XCLAUDE_PID=1\0CLAUDE_PID=42\0CLAUDE_PIDS=3\0EMPTY=\0".into());
        assert_eq!(environment.get("CLAUDE_PID"), Some(&b"42"[..]));
        assert_eq!(environment.get("EMPTY"), Some(&b""[..]));
        assert_eq!(environment.get("CLAUDE"), None);
        assert_eq!(Environment(vec![]).get("CLAUDE_PID"), None);
    }
}
