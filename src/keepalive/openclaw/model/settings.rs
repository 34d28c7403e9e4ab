//! The settings of sessions in OpenClaw's configuration: where they are stored, and what resets them.

use serde_json::Value;

use crate::keepalive::job::definition::is_agent_id;

/// The resets that end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// Once a day, by the session's start.
    pub daily: bool,
    /// After so many minutes without a message.
    pub idle: bool,
}

/// The part `session` of the configuration, and its agents.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    session: Value,
    /// The path of the store, if it was moved; `{agentId}` stands for the agent.
    pub store: Option<String>,
    pub agents: Vec<String>,
}

/// The types of sessions that have resets of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Direct,
    Group,
    Thread,
}

impl Settings {
    /// Parses a configuration, which is JSON5. The error says why it cannot be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        let all: Value = json5::from_str(text).map_err(|error| error.to_string())?;
        if !all.is_object() {
            return Err("it is not an object".to_owned());
        }

        let session = all.get("session").cloned().unwrap_or(Value::Null);
        // An included file may have anything, and only OpenClaw itself reads it right.
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
            // Any other id is not the name of a folder, and may lead elsewhere.
            agents: ids.map(|id| id.trim().to_lowercase()).filter(|id| is_agent_id(id)).collect(),
            session,
        })
    }

    /// Returns the resets of the session of that key, whose messages come by that channel, as OpenClaw
    /// 2026.4.25 and later decide it.
    pub fn stale(&self, key: &str, channel: Option<&str>) -> Stale {
        let by_channel = channel.and_then(|channel| {
            member(self.session.get("resetByChannel")?, &channel.trim().to_lowercase())
        });
        let by_types = member(&self.session, "resetByType");
        let (base, by_type, old_minutes) = match by_channel {
            Some(reset) => (Some(reset), None, None),
            None => (
                member(&self.session, "reset"),
                by_types.and_then(|types| Type::of(key).reset(types)),
                member(&self.session, "idleMinutes"),
            ),
        };
        let setting = |name: &str| {
            let of_type = by_type.and_then(|reset| member(reset, name));
            of_type.or_else(|| member(base?, name))
        };

        let is_explicit = base.is_some() || by_types.is_some();
        let daily = match setting("mode").and_then(Value::as_str) {
            Some(mode) => mode == "daily",
            None => is_explicit || old_minutes.is_none(),
        };
        let minutes = setting("idleMinutes").or(old_minutes).and_then(Value::as_f64);
        Stale { daily, idle: minutes.is_some_and(|minutes| minutes >= 1.0) }
    }
}

impl Type {
    fn of(key: &str) -> Self {
        let key = key.to_lowercase();
        if key.contains(":thread:") || key.contains(":topic:") {
            Self::Thread
        } else if key.contains(":group:") || key.contains(":channel:") {
            Self::Group
        } else {
            Self::Direct
        }
    }

    fn reset(self, types: &Value) -> Option<&Value> {
        match self {
            Self::Thread => member(types, "thread"),
            Self::Group => member(types, "group"),
            Self::Direct => member(types, "direct").or_else(|| member(types, "dm")),
        }
    }
}

/// Returns a member of an object, unless it is `null`.
fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Returns true if any part of the value is taken from another file.
fn includes(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key("$include") || members.values().any(includes)
        }
        Value::Array(values) => values.iter().any(includes),
        _ => false,
    }
}
