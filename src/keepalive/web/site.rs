//! The calls of a ping.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use ureq::RequestBuilder;
use uuid::Uuid;

use super::answer::{CallError, Refusal, json as json_in, successful};
use super::ask::wait_for;
use super::key::SessionKey;
use super::reply::{Reply, read};
use crate::keepalive::job::Conversation;
use crate::model::Timestamp;
use crate::model::ids::is_uuid;

const PROMPT: &str = "Hi";

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connect: Duration,
    /// Any call but those below.
    pub call: Duration,
    /// The call whose answer Claude writes.
    pub answer: Duration,
    /// All calls of a ping but the deletion.
    pub all: Duration,
    /// The deletion of a conversation, also after a signal.
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

type Config = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

pub struct Site<'a> {
    agent: ureq::Agent,
    api: String,
    key: SessionKey,
    limits: Limits,
    stopped: &'a dyn Fn() -> bool,
    begun: Instant,
}

impl<'a> Site<'a> {
    /// Prepares calls to the page at `origin`. The time for all of them begins now.
    pub fn new(
        origin: &str,
        key: SessionKey,
        limits: Limits,
        stopped: &'a dyn Fn() -> bool,
    ) -> Self {
        Self::over(Self::config(), origin, key, limits, stopped)
    }

    /// As [`Self::new`], with this configuration of the HTTP client.
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
            key,
            limits,
            stopped,
            begun: Instant::now(),
        }
    }

    /// Returns the configuration of the HTTP client: no proxy and no redirect, so that the key goes to
    /// the page and nowhere else.
    pub fn config() -> Config {
        ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // Four calls are not worth a connection that may have ended in between.
            .max_idle_connections(0)
            .user_agent(concat!("session-warden/", env!("CARGO_PKG_VERSION")))
    }

    pub fn organization(&self, now: Timestamp) -> Result<String, CallError> {
        let call = self.agent.get(self.url("/organizations"));
        let call = self.prepare(call, self.limits.call).header("accept", "application/json");
        let work = move || {
            let list = json_in(successful(call.call(), now)?, "organizations")?;
            let Value::Array(list) = list else {
                return Err(CallError::failed("organizations: the answer is not a list"));
            };
            let first = list.first();
            let first =
                first.ok_or_else(|| CallError::failed("the account has no organization"))?;
            id_in(first)
                .ok_or_else(|| CallError::failed("organizations: the first one has no uuid"))
        };
        wait_for(work, self.stopped, Duration::ZERO)
    }

    /// Returns a conversation that does not exist yet.
    pub fn invent(organization: String) -> Conversation {
        Conversation { organization, id: Uuid::new_v4().to_string() }
    }

    /// Begins that conversation, and returns the id that the page gave it. After a signal, the answer is
    /// waited for a little longer: it shows whether there is a conversation to delete.
    pub fn begin(&self, conversation: &Conversation, now: Timestamp) -> Result<String, CallError> {
        let path = format!("/organizations/{}/chat_conversations", conversation.organization);
        let call = self.prepare(self.agent.post(self.url(&path)), self.limits.call);
        let call = call.header("accept", "application/json").content_type("application/json");
        let body = json!({"uuid": conversation.id, "name": ""}).to_string();
        let work = move || {
            let made = json_in(successful(call.send(body), now)?, "conversation")?;
            id_in(&made).ok_or_else(|| CallError::failed("conversation: the new one has no uuid"))
        };
        wait_for(work, self.stopped, self.limits.delete)
    }

    /// Sends the prompt in that conversation, and reads the answer to its end.
    pub fn prompt(
        &self,
        conversation: &Conversation,
        zone: &str,
        now: Timestamp,
    ) -> Result<Reply, CallError> {
        let url = self.url(&format!("{}/completion", path_of(conversation)));
        let call = self.prepare(self.agent.post(url), self.limits.answer);
        let call = call.header("accept", "text/event-stream").content_type("application/json");
        let body = json!({"prompt": PROMPT, "timezone": zone, "attachments": [], "files": []});
        let work = move || {
            let mut answer = successful(call.send(body.to_string()), now)?;
            // `read` has a limit of its own.
            let reader = answer.body_mut().with_config().limit(u64::MAX).reader();
            read(reader, now)
        };
        wait_for(work, self.stopped, Duration::ZERO)
    }

    /// Deletes that conversation, also after a signal. Returns true if it existed; after an error, it
    /// may still exist.
    pub fn delete(&self, conversation: &Conversation, now: Timestamp) -> Result<bool, CallError> {
        let call = self.agent.delete(self.url(&path_of(conversation)));
        let call = call.header("cookie", self.key.cookie());
        let call = call.config().timeout_global(Some(self.limits.delete)).build().call();
        match successful(call, now) {
            Ok(_) => Ok(true),
            Err(CallError::Failed { status: Some(404 | 410), .. }) => Ok(false),
            // This one conversation may belong to another account.
            Err(CallError::Refused { why, refusal: Refusal::Forbidden }) => {
                Err(CallError::Failed { why, status: Some(403) })
            }
            Err(error) => Err(error),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// Adds the key and the time limits: that of the call, and the rest of the time for all calls.
    fn prepare<B>(&self, call: RequestBuilder<B>, limit: Duration) -> RequestBuilder<B> {
        let left = self.limits.all.saturating_sub(self.begun.elapsed());
        // Zero would mean no limit.
        let within = limit.min(left).max(Duration::from_millis(1));
        let call = call.header("cookie", self.key.cookie()).config();
        call.timeout_connect(Some(self.limits.connect)).timeout_global(Some(within)).build()
    }
}

fn path_of(Conversation { organization, id }: &Conversation) -> String {
    format!("/organizations/{organization}/chat_conversations/{id}")
}

/// Returns the `uuid` of an answer. Any other text must not become part of an address.
fn id_in(answer: &Value) -> Option<String> {
    let id = answer.get("uuid")?.as_str()?;
    is_uuid(id.as_bytes()).then(|| id.to_owned())
}
