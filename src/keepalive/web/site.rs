//! The calls of a ping.

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::answer::{Trouble, good, json as json_in};
use super::ask::wait_for;
use super::key::SessionKey;
use super::reply::{Reply, read};
use crate::keepalive::job::Conversation;
use crate::model::Timestamp;
use crate::model::ids::is_uuid;

/// What is said.
const PROMPT: &str = "Hi";

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To connect.
    pub connect: Duration,
    /// Any call but those below.
    pub call: Duration,
    /// The call whose answer Claude writes.
    pub answer: Duration,
    /// All calls of a ping but the deletion.
    pub all: Duration,
    /// The deletion of a conversation, also after somebody has asked to stop.
    pub delete: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            answer: Duration::from_secs(120),
            all: Duration::from_secs(180),
            delete: Duration::from_secs(5),
        }
    }
}

/// How calls are made.
type Config = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

/// The page as its user sees it.
pub struct Site<'a> {
    agent: ureq::Agent,
    api: String,
    key: Arc<SessionKey>,
    limits: Limits,
    stopped: &'a dyn Fn() -> bool,
    begun: Instant,
}

impl<'a> Site<'a> {
    /// The page at `origin`. Nothing is called yet; the time for all calls begins now.
    pub fn new(
        origin: &str,
        key: SessionKey,
        limits: Limits,
        stopped: &'a dyn Fn() -> bool,
    ) -> Self {
        Self::over(Self::config(), origin, key, limits, stopped)
    }

    /// The same, called with this configuration.
    pub fn over(
        config: Config,
        origin: &str,
        key: SessionKey,
        limits: Limits,
        stopped: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            agent: config.build().into(),
            api: format!("{origin}/api"),
            key: Arc::new(key),
            limits,
            stopped,
            begun: Instant::now(),
        }
    }

    /// How calls are made: to the page itself and to nobody else. A proxy that stands in the
    /// environment is not asked, and no redirect is followed, so that the key goes nowhere else.
    pub fn config() -> Config {
        ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // The four calls of a ping are not worth a connection that may have ended meanwhile.
            .max_idle_connections(0)
            .user_agent(concat!("session-warden/", env!("CARGO_PKG_VERSION")))
    }

    /// The first organization of the user's.
    ///
    /// # Errors
    /// Where there is none, or that cannot be told.
    pub fn organization(&self, now: Timestamp) -> Result<String, Trouble> {
        let (agent, key, url) = self.parts("/organizations");
        let within = self.within(self.limits.call);
        let connect = self.limits.connect;
        let work = move || {
            let call = agent.get(url).header("cookie", key.cookie());
            let call = call.header("accept", "application/json");
            let call = call.config().timeout_connect(Some(connect)).timeout_global(Some(within));
            let all = json_in(good(call.build().call(), &key, now)?, "organizations", &key)?;
            let Value::Array(all) = all else {
                return Err(Trouble::failed("organizations: the answer is not a list"));
            };
            let first = all.first();
            let first = first.ok_or_else(|| Trouble::failed("the account has no organization"))?;
            id_in(first).ok_or_else(|| Trouble::failed("organizations: the first one has no uuid"))
        };
        wait_for(work, self.stopped, Duration::ZERO)
    }

    /// A conversation that there is not yet.
    pub fn invent(organization: String) -> Conversation {
        Conversation { organization, id: Uuid::new_v4().to_string() }
    }

    /// Begins that conversation, and returns the id that it got. After a request to stop, the answer is
    /// waited for a little longer: only then is it known whether there is something to delete.
    ///
    /// # Errors
    /// Where it is not known that there is one now.
    pub fn begin(&self, conversation: &Conversation, now: Timestamp) -> Result<String, Trouble> {
        let path = format!("/organizations/{}/chat_conversations", conversation.organization);
        let (agent, key, url) = self.parts(&path);
        let (within, connect) = (self.within(self.limits.call), self.limits.connect);
        let body = json!({"uuid": conversation.id, "name": ""}).to_string();
        let work = move || {
            let call = agent.post(url).header("cookie", key.cookie());
            let call = call.header("accept", "application/json");
            let call = call.content_type("application/json");
            let call = call.config().timeout_connect(Some(connect)).timeout_global(Some(within));
            let made = json_in(good(call.build().send(body), &key, now)?, "conversation", &key)?;
            id_in(&made).ok_or_else(|| Trouble::failed("conversation: the new one has no uuid"))
        };
        wait_for(work, self.stopped, self.limits.delete)
    }

    /// Says something in that conversation, and reads the answer to its end.
    ///
    /// # Errors
    /// Where there was no whole answer.
    pub fn say(
        &self,
        conversation: &Conversation,
        zone: &str,
        now: Timestamp,
    ) -> Result<Reply, Trouble> {
        let (agent, key, url) = self.parts(&format!("{}/completion", path_of(conversation)));
        let (within, connect) = (self.within(self.limits.answer), self.limits.connect);
        let body = json!({"prompt": PROMPT, "timezone": zone, "attachments": [], "files": []});
        let work = move || {
            let call = agent.post(url).header("cookie", key.cookie());
            let call = call.header("accept", "text/event-stream");
            let call = call.content_type("application/json");
            let call = call.config().timeout_connect(Some(connect)).timeout_global(Some(within));
            let mut answer = good(call.build().send(body.to_string()), &key, now)?;
            // What is too long is seen below.
            let reader = answer.body_mut().with_config().limit(u64::MAX).reader();
            read(reader, &key, now)
        };
        wait_for(work, self.stopped, Duration::ZERO)
    }

    /// Deletes that conversation, whether or not somebody wants to stop. Whether it was there.
    ///
    /// # Errors
    /// Where it may still be there.
    pub fn delete(&self, conversation: &Conversation, now: Timestamp) -> Result<bool, Trouble> {
        let (agent, key, url) = self.parts(&path_of(conversation));
        let call = agent.delete(url).header("cookie", key.cookie());
        let call = call.config().timeout_global(Some(self.limits.delete)).build().call();
        match good(call, &key, now) {
            Ok(_) => Ok(true),
            Err(Trouble::Failed { status: Some(404 | 410), .. }) => Ok(false),
            // That may be about this one conversation alone, which another account has made.
            Err(Trouble::Refused(why))
                if why.contains("HTTP 403") && !why.starts_with("blocked") =>
            {
                Err(Trouble::Failed { why, status: Some(403) })
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn parts(&self, path: &str) -> (ureq::Agent, Arc<SessionKey>, String) {
        (self.agent.clone(), Arc::clone(&self.key), format!("{}{path}", self.api))
    }

    /// As long as a call may take, by its own limit and that of all of them.
    fn within(&self, limit: Duration) -> Duration {
        let left = self.limits.all.saturating_sub(self.begun.elapsed());
        // Nothing would mean no limit.
        limit.min(left).max(Duration::from_millis(1))
    }
}

fn path_of(Conversation { organization, id }: &Conversation) -> String {
    format!("/organizations/{organization}/chat_conversations/{id}")
}

/// The `uuid` of what the page told; what is none is not put into an address.
fn id_in(told: &Value) -> Option<String> {
    let id = told.get("uuid")?.as_str()?;
    is_uuid(id.as_bytes()).then(|| id.to_owned())
}
