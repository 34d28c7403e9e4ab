//! The features of a build, and the failure of a command that needs one that it lacks.

#[cfg(feature = "keepalive")]
use crate::keepalive::job::Job;
use crate::model::Failure;

/// The features that commands and jobs need, with true for those of this build.
const FEATURES: [(&str, bool); 4] = [
    ("keepalive", cfg!(feature = "keepalive")),
    ("serve", cfg!(feature = "serve")),
    ("web-ping", cfg!(feature = "web-ping")),
    ("openclaw", cfg!(feature = "openclaw")),
];

/// Returns true if this build lacks that feature.
pub fn is_lacking(feature: &str) -> bool {
    FEATURES.contains(&(feature, false))
}

/// Returns the failure of a command or job that needs a feature that this build lacks.
pub fn lacking(feature: &str, what: &str) -> Failure {
    let message = format!("this build lacks the feature {feature}, which {what} needs");
    Failure::usage(message).hint(format!(
        "install a package, which has all features, or build with: cargo install --path . --features {feature}"
    ))
}

/// Checks that this build can run these jobs.
#[cfg(feature = "keepalive")]
pub fn check_jobs(jobs: &[Job]) -> anyhow::Result<()> {
    for job in jobs {
        if let Some(feature) = job.action.feature().filter(|feature| is_lacking(feature)) {
            return Err(lacking(feature, &format!("the keep-alive job {}", job.id)).into());
        }
    }
    Ok(())
}
