//! What stands in for the actions whose feature this build does not have: each refuses to run.

#[cfg(not(feature = "openclaw"))]
pub(super) mod touch {
    use super::super::Keeper;
    use crate::keepalive::job::{Outcome, Touch};

    const WHY: &str = "this build lacks the feature openclaw";

    pub(in super::super) fn run(_: &Keeper<'_>, _: &Touch, _: &mut Vec<String>) -> Outcome {
        Outcome::Skipped { why: WHY.to_owned() }
    }

    pub(in super::super) fn preview(_: &Keeper<'_>, _: &Touch, said: &mut Vec<String>) {
        said.push(WHY.to_owned());
    }

    pub(in super::super) fn check(_: &Keeper<'_>, _: &Touch) -> Result<String, String> {
        Err(WHY.to_owned())
    }
}

#[cfg(not(feature = "web-ping"))]
pub(super) mod web_ping {
    use super::super::Keeper;
    use crate::keepalive::job::{Job, Outcome, WebPing};
    use crate::keepalive::store::Jobs;

    const WHY: &str = "this build lacks the feature web-ping";

    pub(in super::super) fn credential(_: &Keeper<'_>, _: &WebPing) -> Option<String> {
        None
    }

    pub(in super::super) fn login(_: &Keeper<'_>, _: &WebPing) -> Result<String, String> {
        Err(WHY.to_owned())
    }

    pub(in super::super) fn run(_: &Keeper<'_>, _: &Job, _: &WebPing, _: &mut Jobs) -> Outcome {
        Outcome::Skipped { why: WHY.to_owned() }
    }
}
