//! A look at one provider's sessions: its roots are opened and searched, and the result is checked.

use super::carrier::{RootKind, Scope};
use super::descriptor::{Base, Folders, Owners, Provider};
use super::doubt::is_in_doubt;
use super::evidence::EvidenceCollector;
use super::memory::Memory;
use super::roots::Roots;
use super::search::Search;
use super::session_index::SessionIndex;
use super::work::add_recorded_uses;
use crate::model::plan::Observation;
use crate::model::{Clock, Reading, Warning, WarningCode};
use crate::os::interrupt::Interrupt;

#[derive(Debug, Clone)]
pub struct LookOptions {
    pub owners: Owners,
    pub clock: Clock,
    /// Ends the look early, and counts its progress.
    pub interrupt: Interrupt,
}

pub(super) struct Look<'w> {
    pub(super) provider: &'w Provider,
    pub(super) base: Base,
    pub(super) index: &'w SessionIndex<'w>,
    /// The mapped sessions that are not looked for.
    pub(super) others: &'w SessionIndex<'w>,
    pub(super) options: &'w LookOptions,
    pub(super) memory: Option<Memory>,
    /// False for a look at some sessions only, which cannot show that none was used.
    pub(super) checks_doubt: bool,
    /// True if two threads may share the work.
    pub(super) may_share: bool,
}

pub(super) struct Looked {
    pub(super) observation: Observation,
    pub(super) warnings: Vec<Warning>,
    pub(super) memory: Option<Memory>,
}

impl Look<'_> {
    pub(super) fn take(self) -> Looked {
        let Self { provider, base, index, options, memory, .. } = self;
        let LookOptions { owners, clock, ref interrupt } = *options;
        let roots = Roots::open(provider, &base, owners);
        let unusable = roots.warnings(provider, "its mappings are kept");
        let records = (clock == Clock::Record).then_some(provider.records);
        let mut found = EvidenceCollector::new(index, records, memory).heeding(interrupt.clone());

        let folders = Folders { base: base.folder.clone(), roots: roots.open, owners };
        if !folders.roots.is_empty() || provider.files_in_home {
            let scope = Scope { index, others: self.others, roots: &folders.roots };
            Search { provider, scope, may_share: self.may_share }.run(&folders, &mut found);
        }

        add_recorded_uses(provider, &base, index, &mut found);
        found.finish();

        let mut warnings: Vec<Warning> =
            found.warnings.drain(..).map(|warning| provider.named(warning)).collect();
        warnings.extend(unusable);
        let main = folders.roots.iter().find(|root| root.kind == RootKind::Sessions);
        let root = main.map_or_else(
            || base.folder.join(provider.roots.first().unwrap_or(&"")),
            |root| root.folder.path().to_owned(),
        );

        let has_file = found.activities.iter().any(|activity| activity.file().is_some());
        let mut reading = match (roots.reading, found.reading) {
            (Reading::Absent, Reading::Whole) if has_file => Reading::Whole,
            (Reading::Whole, read) => read,
            (reading, _) => reading,
        };

        if reading == Reading::Absent {
            let message =
                format!("{}: there is no folder of sessions; its mappings are kept", provider.name);
            warnings.push(Warning::at(WarningCode::RootAbsent, &root, message));
        }

        if reading == Reading::Whole
            && self.checks_doubt
            && let Some(history) = is_in_doubt(&folders, index, &found.activities)
        {
            reading = Reading::Doubtful;
            let message = format!(
                "{}: its prompt history or session index was written within the threshold, \
                 but none of its sessions was; it may keep them elsewhere, so its mappings are kept",
                provider.name
            );
            warnings.push(Warning::at(WarningCode::ProviderInDoubt, history, message));
        }

        let mut memory = found.memory;
        if let Some(memory) = &mut memory {
            memory.seal();
        }

        let observation = Observation { root, reading, activities: found.activities };
        Looked { observation, warnings, memory }
    }
}
