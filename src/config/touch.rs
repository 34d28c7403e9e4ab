//! What `action = "openclaw-touch"` asks for.

use toml::de::DeValue;

use super::keepalive::duration;
use super::reader::{Section, Wrong, boolean, text, texts};
use crate::keepalive::job::definition::is_agent_id;
use crate::keepalive::job::{Agents, Touch, Which};
use crate::model::Failure;

/// What the action is called.
pub(super) const NAME: &str = "openclaw-touch";

/// The keys that only it has.
pub(super) const KEYS: [&str; 5] =
    ["agents", "sessions", "active_within", "while_gateway", "same_container"];

/// Reads them.
///
/// # Errors
/// Where one is missing or makes no sense, with its line.
pub(super) fn read(section: &mut Section<'_>) -> Result<Touch, Failure> {
    if !section.has("agents") {
        return Err(section
            .wrong("action", "the action openclaw-touch needs agents")
            .hint("for example agents = \"main\", or agents = \"all\""));
    }
    if section.has("sessions") == section.has("active_within") {
        let key = if section.has("sessions") { "active_within" } else { "action" };
        let what = "an openclaw-touch job needs exactly one of sessions and active_within";
        return Err(section.wrong(key, what).hint("for example active_within = \"10m\""));
    }
    let agents = section.take("agents", "agents = [\"main\"]", |value| {
        if value.as_str() == Some("all") {
            return Ok(Agents::All);
        }
        let names = several(value, agent)?;
        let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        // One that is named twice is touched once.
        names.sort();
        names.dedup();
        Ok::<_, Wrong>(Agents::These(names))
    })?;
    let keys = section.take("sessions", "sessions = [\"agent:main:main\"]", |value| {
        several(value, |key| match key.trim() {
            "" => Err("not a list of session keys: one is empty".to_owned()),
            _ => Ok(()),
        })
    })?;
    let within =
        section.take("active_within", "active_within = \"10m\"", |value| {
            match duration(value)? {
                span if span.is_zero() => Err("zero".to_owned()),
                span => Ok(Which::ActiveWithin(span)),
            }
        })?;
    let while_gateway = section.take("while_gateway", "while_gateway = true", boolean)?;
    let same_container = section.take("same_container", "same_container = true", boolean)?;
    Ok(Touch {
        // They were there.
        agents: agents.unwrap_or(Agents::All),
        which: within.unwrap_or(Which::Named(keys.unwrap_or_default())),
        while_gateway: while_gateway.unwrap_or(false),
        same_container: same_container.unwrap_or(false),
    })
}

/// One text, or a list of at least one.
fn several(
    value: &DeValue<'_>,
    mut check: impl FnMut(&str) -> Result<(), String>,
) -> Result<Vec<String>, Wrong> {
    if value.is_str() {
        let one = text(value)?;
        check(&one)?;
        return Ok(vec![one]);
    }
    let all = texts(value, check)?;
    if all.is_empty() { Err("an empty list".to_owned().into()) } else { Ok(all) }
}

/// An agent's id becomes a folder's name, so it must be one as OpenClaw makes them.
fn agent(id: &str) -> Result<(), String> {
    if !is_agent_id(id) {
        return Err(format!("not a list of agents: {id:?} may only have letters, digits, - and _"));
    }
    if id == "all" {
        return Err("a list with \"all\"; for every agent, write agents = \"all\"".to_owned());
    }
    Ok(())
}
