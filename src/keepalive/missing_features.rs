//! Stand-ins for the actions whose feature this build lacks: each refuses to run.

#[cfg(not(feature = "openclaw"))]
pub(super) mod openclaw_touch {
    use crate::keepalive::job::{Outcome, Touch};
    use crate::keepalive::keeper::Keeper;

    const WHY: &str = "this build lacks the feature openclaw";

    pub(in super::super) fn run(_: &Keeper<'_>, _: &Touch) -> (Outcome, Vec<String>) {
        (Outcome::skipped(WHY), Vec::new())
    }

    pub(in super::super) fn preview(_: &Keeper<'_>, _: &Touch) -> Vec<String> {
        vec![WHY.to_owned()]
    }

    pub(in super::super) fn check(_: &Keeper<'_>, _: &Touch) -> Result<String, String> {
        Err(WHY.to_owned())
    }
}

#[cfg(not(feature = "web-ping"))]
pub(super) mod web_ping {
    use crate::keepalive::job::{Job, Outcome, WebPing};
    use crate::keepalive::keeper::Keeper;
    use crate::keepalive::pass::Pass;

    const WHY: &str = "this build lacks the feature web-ping";

    pub(in super::super) fn credential(_: &Keeper<'_>, _: &WebPing) -> Option<String> {
        None
    }

    pub(in super::super) fn login(_: &Keeper<'_>, _: &WebPing) -> Result<String, String> {
        Err(WHY.to_owned())
    }

    pub(in super::super) fn run(_: &mut Pass<'_>, _: &Job, _: &WebPing) -> Outcome {
        Outcome::skipped(WHY)
    }
}
