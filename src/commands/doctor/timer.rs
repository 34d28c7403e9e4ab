//! A timer or a line of a crontab that runs a clean.

use crate::schedule::{Installed, InstalledCommand, name};

pub(super) struct Timer {
    pub(super) installed: Installed,
    pub(super) command: Option<InstalledCommand>,
    /// True if `schedule install` made it, and no hand.
    pub(super) is_ours: bool,
}

impl Timer {
    /// Returns true if it runs a clean of that profile, or of all.
    pub(super) fn serves(&self, profile: Option<&str>) -> bool {
        let Some(command) = &self.command else { return self.installed.name == name(profile) };
        command.has("--all-profiles") || command.option("--profile") == profile
    }

    /// Returns its name for people.
    pub(super) fn name(&self) -> String {
        let method = self.installed.method.name();
        match (self.is_ours, &self.installed.user) {
            (false, _) => "a line in the crontab".to_owned(),
            (true, Some(user)) => format!("{} of {method} as {user}", self.installed.name),
            (true, None) => format!("{} of {method}", self.installed.name),
        }
    }

    /// Returns the command that installs it again.
    pub(super) fn install_command(&self, profile: Option<&str>) -> String {
        let method = self.installed.method.name();
        let mut command = format!("session-warden schedule install --method {method}");
        if let Some(user) = &self.installed.user {
            command = format!("{command} --user {user}");
        }
        if let Some(profile) = profile {
            command = format!("{command} --profile {profile}");
        }
        command
    }
}
