//! When CLIs delete mapped sessions: for a warning of `list` and a check of `doctor`.

use std::time::Duration;

use crate::config::Clean;
use crate::model::{State, Timestamp};
use crate::provider::{Kept, PROVIDERS};
use crate::report::{Deletion, and_more, counted, shortened};

/// How long before a session is deleted there is a warning.
pub(super) const SOON: Duration = Duration::from_secs(3 * 24 * 3600);

/// How many chats a warning names, and how wide each may be.
const NAMED: usize = 3;
const WIDEST: usize = 40;

/// How long each provider keeps its sessions.
pub(super) struct Retentions(Vec<Kept>);

impl Retentions {
    /// Reads the CLIs' settings.
    pub(super) fn read(config: &Clean, map_owner: Option<u32>) -> Self {
        let kept = PROVIDERS.iter().map(|provider| match config.base(provider, map_owner) {
            Ok(base) => provider.keeps(&base.folder),
            Err(failure) => Kept::Unknown(failure.message),
        });
        Self(kept.collect())
    }

    /// Returns how long sessions of that model are kept, and the CLI that deletes them.
    pub(super) fn of(&self, model: &str) -> Option<(&'static str, &Kept)> {
        let mut kept = PROVIDERS.iter().zip(&self.0);
        let (provider, kept) = kept.find(|(provider, _)| provider.model == model)?;
        Some((provider.retention.as_ref()?.cli, kept))
    }

    /// Returns when a session is deleted whose file was last written then.
    pub(super) fn deletion(&self, model: &str, written: Option<Timestamp>) -> Option<Deletion> {
        match self.of(model)? {
            (cli, Kept::For(span)) => Some(Deletion { cli, after: written?.after(*span) }),
            (_, Kept::Always | Kept::Unknown(_)) => None,
        }
    }
}

/// Returns true if a mapping in that state whose session is deleted then deserves a warning.
pub(super) fn is_due(state: State, deletion: Deletion, now: Timestamp) -> bool {
    state != State::Pinned && deletion.after.earlier(SOON) < now
}

/// Returns a message about mappings whose sessions are deleted soon, each with the time, its chat and
/// its CLI. Sorts them by time.
pub(super) fn message(due: &mut [(Timestamp, &str, &'static str)]) -> Option<String> {
    due.sort_unstable();
    let (_, _, cli) = due.first()?;

    let chats = due.iter().map(|(_, chat, _)| shortened(chat, WIDEST));
    let named: Vec<String> = chats.take(NAMED).collect();
    let sessions = counted(due.len(), "mapped session");
    let chats = named.join(", ") + &and_more(due.len() - named.len());
    Some(if due.iter().all(|(_, _, other)| other == cli) {
        format!("{cli} will delete {sessions} within 3 days: {chats}")
    } else {
        format!("{sessions} will be deleted by their CLIs within 3 days: {chats}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_names_the_first_chats() {
        #[track_caller]
        fn check(due: &[(i64, &str, &'static str)], expected: Option<&str>) {
            let mut due: Vec<(Timestamp, &str, &'static str)> = due
                .iter()
                .map(|(time, chat, cli)| (Timestamp::new(*time, 0), *chat, *cli))
                .collect();
            assert_eq!(message(&mut due).as_deref(), expected);
        }
        let cli = "Claude Code";
        let all = [(5, "e", cli), (1, "a", cli), (2, "b", cli), (3, "c", cli), (4, "d", cli)];
        check(&[], None);
        check(&all[..1], Some("Claude Code will delete 1 mapped session within 3 days: e"));
        check(&all[1..4], Some("Claude Code will delete 3 mapped sessions within 3 days: a, b, c"));
        let five = "Claude Code will delete 5 mapped sessions within 3 days: a, b, c and 2 more";
        check(&all, Some(five));
        let mixed = [(2, "a", "Gemini CLI"), (1, "b", cli)];
        let both = "2 mapped sessions will be deleted by their CLIs within 3 days: b, a";
        check(&mixed, Some(both));
    }

    #[test]
    fn a_session_is_due_three_days_before() {
        let now = Timestamp::new(1_800_000_000, 0);
        let at = |after: Timestamp| Deletion { cli: "Claude Code", after };
        assert!(!is_due(State::Idle, at(now.after(SOON)), now));
        let almost = now.after(SOON.saturating_sub(Duration::from_secs(1)));
        assert!(is_due(State::Idle, at(almost), now));
        assert!(is_due(State::Active, at(Timestamp::new(0, 0)), now));
        assert!(!is_due(State::Pinned, at(almost), now));
    }
}
