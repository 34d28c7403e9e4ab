//! The table of providers. A new CLI is one file and one entry here.

use super::descriptor::Provider;
use super::{claude, codex, gemini, vibe};
use crate::model::ProviderIdx;

/// Every provider, in the order of reports.
pub static PROVIDERS: [Provider; 4] =
    [claude::PROVIDER, codex::PROVIDER, gemini::PROVIDER, vibe::PROVIDER];

impl Provider {
    /// Returns the provider of the bridge's model key.
    pub fn of_model(model: &str) -> Option<(ProviderIdx, &'static Self)> {
        (0..).map(ProviderIdx).zip(&PROVIDERS).find(|(_, provider)| provider.model == model)
    }
}
