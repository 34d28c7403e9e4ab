//! What OpenClaw's configuration says of sessions: where they are stored, and what resets them.

use serde_json::Value;

use crate::keepalive::job::definition::is_agent_id;

/// What makes a session stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// Once a day, by when it began.
    pub daily: bool,
    /// After so many minutes without a word.
    pub idle: bool,
}

/// The part `session` of the configuration, and the agents it names.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    session: Value,
    /// Where the store is, if it was moved; `{agentId}` stands for the agent.
    pub store: Option<String>,
    /// The agents that are configured.
    pub agents: Vec<String>,
}

/// What sessions are told apart by, besides channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Direct,
    Group,
    Thread,
}

impl Settings {
    /// Reads a configuration, which is JSON5.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        let all: Value = json5::from_str(text).map_err(|error| error.to_string())?;
        if !all.is_object() {
            return Err("it is not an object".to_owned());
        }
        let session = all.get("session").cloned().unwrap_or(Value::Null);
        // These may hold anything, and reading them right takes OpenClaw itself.
        if all.get("$include").is_some() || includes(&session) {
            return Err("it takes its session settings from other files ($include)".to_owned());
        }
        let store = session.get("store").and_then(Value::as_str).map(str::trim);
        if store.is_some_and(|store| store.contains("${")) {
            return Err("session.store contains a variable".to_owned());
        }
        let listed = all.pointer("/agents/list").and_then(Value::as_array);
        let ids = listed.into_iter().flatten().filter_map(|agent| agent.get("id")?.as_str());
        Ok(Self {
            store: store.filter(|store| !store.is_empty()).map(str::to_owned),
            // Others are no folder's name, and may lead elsewhere.
            agents: ids.map(|id| id.trim().to_lowercase()).filter(|id| is_agent_id(id)).collect(),
            session,
        })
    }

    /// What makes the session of that key stale, whose messages come by that channel: as OpenClaw
    /// 2026.4.25 and later decide it.
    pub fn stale(&self, key: &str, channel: Option<&str>) -> Stale {
        let by_channel = channel.and_then(|channel| {
            let channel = channel.trim().to_lowercase();
            present(self.session.get("resetByChannel")?.get(&channel))
        });
        let by_types = present(self.session.get("resetByType"));
        let (base, by_type, old_minutes) = match by_channel {
            Some(reset) => (Some(reset), None, None),
            None => (
                present(self.session.get("reset")),
                by_types.and_then(|types| match Type::of(key) {
                    Type::Thread => present(types.get("thread")),
                    Type::Group => present(types.get("group")),
                    Type::Direct => present(types.get("direct")).or(present(types.get("dm"))),
                }),
                present(self.session.get("idleMinutes")),
            ),
        };
        let of = |name: &str| {
            let within =
                |reset: Option<&Value>| reset.and_then(|it| present(it.get(name)).cloned());
            within(by_type).or_else(|| within(base))
        };
        let is_explicit = base.is_some() || by_types.is_some();
        let daily = match of("mode").as_ref().and_then(Value::as_str) {
            Some(mode) => mode == "daily",
            None => is_explicit || old_minutes.is_none(),
        };
        let minutes = of("idleMinutes").or_else(|| old_minutes.cloned());
        let minutes = minutes.as_ref().and_then(Value::as_f64);
        Stale { daily, idle: minutes.is_some_and(|minutes| minutes >= 1.0) }
    }
}

impl Type {
    fn of(key: &str) -> Self {
        let key = key.to_lowercase();
        let has = |marks: [&str; 2]| marks.iter().any(|mark| key.contains(mark));
        if has([":thread:", ":topic:"]) {
            Self::Thread
        } else if has([":group:", ":channel:"]) {
            Self::Group
        } else {
            Self::Direct
        }
    }
}

/// A value that says something: `null` says nothing.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// Whether anything in there is taken from another file.
fn includes(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key("$include") || members.values().any(includes)
        }
        Value::Array(values) => values.iter().any(includes),
        _ => false,
    }
}
