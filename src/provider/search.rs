//! A search for the sessions of one provider.

use super::carrier::Scope;
use super::descriptor::Provider;
use crate::model::SessionIdx;

/// How deep below a root entries count.
pub(super) const DEEPEST: usize = 16;

pub(super) struct Search<'s> {
    pub(super) provider: &'s Provider,
    pub(super) scope: Scope<'s>,
    /// True if two threads may share the work.
    pub(super) may_share: bool,
}

impl Search<'_> {
    /// Replaces `carried` by the sessions that a component carries.
    pub(super) fn carried_by(&self, component: &[u8], carried: &mut Vec<SessionIdx>) {
        carried.clear();
        let index = self.scope.index;
        index.carried_by(component, carried);
        // Only a short id can be missed by the rule for components.
        if index.has_words()
            && let Some(id) = (self.provider.own_id)(component)
        {
            index.carried_by(id, carried);
        }
    }

    pub(super) fn id(&self, session: SessionIdx) -> &str {
        self.scope.index.ids().get(session.get()).map_or("", |id| id.0)
    }
}
