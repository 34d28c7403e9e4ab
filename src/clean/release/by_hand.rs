//! `release`: ends the idle CLI processes of a map, those that are named, or leftovers. The mappings are kept.

use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::conditions::Claim;
use super::run::{Place, ReleaseRun, Subject};
use super::{CLAUDE, add_other_models, bridge, place, subject};
use crate::clean::absent_map;
use crate::clean::cli_processes::{self, LiveProcesses, details_of, facts, no_map};
use crate::clean::observer::Observer;
use crate::clean::record::append;
use crate::config::Clean;
use crate::journal::{Journal, RunKind, RunRecord, run_id};
use crate::map::{self, Access, MapStore};
use crate::model::{
    Exit, Failure, MappingIdx, Plan, Policies, Release, SessionMap, Timestamp, Warning,
    WarningCode, naming,
};
use crate::os::interrupt::Interrupt;
use crate::process::holdings::{AllHoldings, holdings};
use crate::process::tree::Tree;
use crate::provider::{PROVIDERS, RecordedProcess};
use crate::report::{ReleaseReport, ReleaseRow};

/// The processes that the user has asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Chats, sessions, or prefixes of them; empty for every process that meets all conditions.
    pub ids: Vec<String>,
    /// Also processes that no bridge has any more.
    pub leftovers: bool,
    /// True if the user was asked, or has said `--yes`: that replaces `release_accepts` for a process without a mapping.
    pub is_confirmed: bool,
    /// The processes that the user has confirmed, by pid and session, if the user was asked.
    pub confirmed: Option<BTreeSet<(u32, String)>>,
}

/// Ends the processes that were asked for, if all conditions hold; a dry run shows which.
pub fn release(
    config: &Clean,
    request: &Request,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<ReleaseReport, Failure> {
    let access = if config.dry_run { Access::Read } else { Access::Change };
    let is_explicit = config.map_is_explicit;
    let store = map::open(&config.bridge, &config.map, is_explicit, access, interrupt)?;
    let journal = config.state_dir().ok().map(|folder| Journal::at(&folder));
    let hint = match store.map() {
        None => Some(absent_map::hint(config, journal.as_ref())?),
        Some(_) => None,
    };
    let live = LiveProcesses::read(config, store.owner(), now)?;

    let nothing = no_map()?;
    let with_all = with_sessions(store.map().unwrap_or(&nothing), &live)?;
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    let observer = Observer {
        config,
        map: &with_all.map,
        map_owner: store.owner(),
        now,
        policies: &policies,
        interrupt,
    };

    let asked = Asked { request, store: store.as_ref(), live: &live, sessions: &with_all };
    Ok(ReleaseReport { hint, ..asked.carry_out(observer)? })
}

/// A map with the sessions of all live processes: sessions without a mapping get placeholder chats, whose names
/// cannot be typed.
struct WithSessions {
    map: SessionMap,
    /// The sessions that the real map has.
    mapped: HashSet<String>,
}

fn with_sessions(real: &SessionMap, live: &LiveProcesses) -> Result<WithSessions, Failure> {
    let provider = &PROVIDERS[CLAUDE.get()];
    // In the map's own order, which is also that of the processes.
    let mut models: Vec<(&str, Vec<String>)> = Vec::new();
    let mut add = |model, chat: &str, session: &str| {
        let chat = format!("{}:{}", Value::from(chat), Value::from(session));
        match models.iter_mut().find(|(known, _)| *known == model) {
            Some((_, chats)) => chats.push(chat),
            None => models.push((model, vec![chat])),
        }
    };

    for mapping in real.mappings() {
        if let Some(session) = mapping.session {
            add(mapping.model, mapping.chat.0, session.0);
        }
    }
    for (number, (_, process)) in live.unmapped(real).enumerate() {
        add(provider.model, &format!("\u{1}{number}"), &process.session);
    }

    let of_claude = cli_processes::mapped_sessions(real).into_iter();
    let mapped = of_claude.filter(|(index, _)| *index == CLAUDE).map(|(_, session)| session);
    let mapped = mapped.collect();
    let models = models
        .iter()
        .map(|(model, chats)| format!("{}:{{{}}}", Value::from(*model), chats.join(",")));
    let text = format!("{{{}}}", models.collect::<Vec<String>>().join(","));
    let map = SessionMap::parse(text.into_bytes())
        .map_err(|_| Failure::new("cannot build a map from the sessions of the processes"))?;
    Ok(WithSessions { map, mapped })
}

struct Asked<'a> {
    request: &'a Request,
    store: &'a dyn MapStore,
    live: &'a LiveProcesses,
    sessions: &'a WithSessions,
}

impl Asked<'_> {
    fn carry_out(&self, observer: Observer<'_>) -> Result<ReleaseReport, Failure> {
        let Observer { config, now, .. } = observer;
        let id = run_id(now, config.profile.as_deref());
        let journal = config.state_dir().ok().map(|folder| Journal::at(&folder));
        let past = journal.as_ref().map(Journal::releases).transpose()?.unwrap_or_default();

        let place = place(&observer, self.store)?;
        let tree = Tree::read().unwrap_or_default();
        let mut subjects = self.subjects(&observer, &place, &tree)?;
        let pids: Vec<u32> = subjects.iter().map(|subject| subject.candidate.pid()).collect();
        let held = holdings(&tree, &pids);
        for subject in &mut subjects {
            let of_process = held.by_process.get(&subject.candidate.pid());
            subject.memory_bytes = of_process.map(|held| held.memory.bytes);
        }

        // Now, since there is nothing to see of a process that has ended.
        let shown = Shown { observer: &observer, tree: &tree, held: &held, live: self.live };
        let mut rows: Vec<ReleaseRow> =
            subjects.iter().filter_map(|subject| shown.row(subject)).collect();

        let bridge = bridge(&observer, &place, false);
        let mut run = ReleaseRun::new(observer, self.store, &id, place, subjects, bridge, past);
        run.warnings = self.store.warnings();
        run.warnings.extend(self.missing(&observer)?);
        run.is_confirmed = self.request.is_confirmed;
        let plan = run.plan()?;
        if !config.dry_run {
            let journal = Journal::at(&config.state_dir()?);
            run.carry_out(plan, &journal)?;
        }

        for row in &mut rows {
            let mut subjects = run.subjects().iter();
            let subject = subjects.find(|it| it.candidate.pid() == row.details.process.pid);
            row.details.process.release = subject.and_then(|subject| subject.outcome.clone());
        }

        let idle = config.idle.of(CLAUDE);
        Ok(ReleaseReport {
            run: id,
            profile: config.profile.clone(),
            started: now,
            dry_run: config.dry_run,
            after: config.release.after.as_ref().unwrap_or(idle).clone(),
            source: self.store.source(),
            map: self.store.real_path(),
            rows,
            hint: None,
            warnings: run.warnings,
        })
    }

    /// Returns the processes that may be released, in the order of their records.
    fn subjects(
        &self,
        observer: &Observer<'_>,
        place: &Place,
        tree: &Tree,
    ) -> Result<Vec<Subject>, Failure> {
        let provider = &PROVIDERS[CLAUDE.get()];
        let named = self.named(observer)?;
        let mut mappings: HashMap<String, Vec<MappingIdx>> = HashMap::new();
        for (index, mapping) in observer.map.indexed() {
            let of_claude = Some(mapping).filter(|mapping| mapping.model == provider.model);
            if let Some(session) = of_claude.and_then(|mapping| mapping.session) {
                mappings.entry(provider.session_key(session.0)).or_default().push(index);
            }
        }
        add_other_models(observer.map, &mut mappings);

        let mut subjects = Vec::new();
        for (_, process) in self.live.iter().filter(|(index, _)| *index == CLAUDE) {
            let session = provider.session_key(&process.session);
            let of_session = mappings.get(&session).cloned().unwrap_or_default();
            let is_named = of_session.iter().any(|index| named.contains(index));
            let claim = match self.sessions.mapped.contains(&session) {
                true if named.is_empty() || is_named => Claim::Mapped,
                false if is_named => Claim::Named,
                false if self.is_leftover(process, tree) => Claim::Leftover,
                _ => continue,
            };
            if self.is_confirmed(process) {
                subjects.push(subject(process, place, claim, of_session, &Plan::default()));
            }
        }

        subjects.sort_by_key(Subject::order);
        Ok(subjects)
    }

    /// Returns a warning for each ID that names no session of a live process. Fails if none does.
    fn missing(&self, observer: &Observer<'_>) -> Result<Vec<Warning>, Failure> {
        let provider = &PROVIDERS[CLAUDE.get()];
        let of_claude = self.live.iter().filter(|(index, _)| *index == CLAUDE);
        let live: HashSet<String> =
            of_claude.map(|(_, process)| provider.session_key(&process.session)).collect();

        let mut warnings = Vec::new();
        for id in &self.request.ids {
            let named =
                naming::named(observer.map.mappings(), id).map_err(|why| why.failure(id))?;
            let mut sessions =
                named.into_iter().filter_map(|index| observer.map.get(index)?.session);
            if !sessions.any(|session| live.contains(&provider.session_key(session.0))) {
                let message = format!("no live Claude Code process has the session of {id}");
                warnings.push(Warning::new(WarningCode::NoProcess, message));
            }
        }

        match warnings.first() {
            Some(first) if warnings.len() == self.request.ids.len() => {
                Err(Failure::new(first.message.clone()).hint(first.code.hint()))
            }
            _ => Ok(warnings),
        }
    }

    /// Returns the mappings that the IDs name.
    fn named(&self, observer: &Observer<'_>) -> Result<HashSet<MappingIdx>, Failure> {
        let mut all = HashSet::new();
        for id in &self.request.ids {
            let named =
                naming::named(observer.map.mappings(), id).map_err(|why| why.failure(id))?;
            all.extend(named);
        }
        Ok(all)
    }

    fn is_leftover(&self, process: &RecordedProcess, tree: &Tree) -> bool {
        self.request.leftovers && facts(process.pid, tree).is_some_and(|facts| facts.is_leftover())
    }

    fn is_confirmed(&self, process: &RecordedProcess) -> bool {
        let confirmed = self.request.confirmed.as_ref();
        confirmed.is_none_or(|all| all.contains(&(process.pid, process.session.clone())))
    }
}

/// All that rows are made of.
struct Shown<'a> {
    observer: &'a Observer<'a>,
    tree: &'a Tree,
    held: &'a AllHoldings,
    live: &'a LiveProcesses,
}

impl Shown<'_> {
    /// Returns the row of a process; nothing if it had ended before it was looked at.
    fn row(&self, subject: &Subject) -> Option<ReleaseRow> {
        let pid = subject.candidate.pid();
        let recorded = self.live.iter().find(|(_, process)| process.pid == pid);
        let facts = facts(pid, self.tree)?;
        let recorded = recorded.map(|(_, process)| process);
        let details = details_of(PROVIDERS[CLAUDE.get()].name, &facts, recorded, self.held);

        let mappings = subject.mappings.iter().filter(|_| subject.claim == Claim::Mapped);
        let mappings = mappings.filter_map(|mapping| self.observer.map.get(*mapping));
        let chats = mappings.map(|mapping| format!("{}/{}", mapping.model, mapping.chat.0));
        Some(ReleaseRow { chats: chats.collect(), details })
    }
}

/// Records a run of `release` that has ended, for `history` and for later releases of its map.
pub fn record(
    config: &Clean,
    report: &ReleaseReport,
    exit: Exit,
    took: Duration,
) -> Result<(), Failure> {
    let released = report.released();
    let mut summary = Map::new();
    summary.insert("checked".into(), report.rows.len().into());
    summary.insert("released".into(), released.into());
    let warnings = &report.warnings;
    let warning = warnings.iter().find(|it| it.code != WarningCode::FirstRelease);
    let journal = Journal::at(&config.state_dir()?);
    append(
        &journal,
        report.started,
        took,
        RunRecord {
            run: report.run.clone(),
            command: RunKind::Release,
            exit: exit.code(),
            url: report.source.url.clone(),
            map: report.map.clone().or(report.source.map.clone()).map(Into::into),
            summary,
            warning: warning.map(|warning| warning.message.clone()),
            ..RunRecord::default()
        },
    )
}

impl Request {
    /// From now on, only the processes that this report would end may be ended.
    pub fn confirm(&mut self, report: &ReleaseReport) {
        let would_end = report
            .rows
            .iter()
            .filter(|row| row.details.process.release == Some(Release::WouldRelease));
        let processes = would_end
            .filter_map(|row| Some((row.details.process.pid, row.details.session.clone()?)));
        self.confirmed = Some(processes.collect());
    }
}
