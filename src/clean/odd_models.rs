//! Models in the map whose value is not an object of chats: they are left unchanged, with a warning.

use crate::config::Clean;
use crate::model::{SessionMap, Warning, WarningCode};

/// How many models without mappings are named, of a map that may be full of them.
const NAMED_MODELS: usize = 1000;

pub(super) fn odd_models(map: &SessionMap, config: &Clean) -> Vec<Warning> {
    let warning = |message| Warning::new(WarningCode::ModelNotObject, message);
    let mut odd = map.other_models().filter(|model| config.asks_for(model));
    let named = odd.by_ref().take(NAMED_MODELS);
    let mut warnings: Vec<Warning> = named
        .map(|model| {
            warning(format!("the value of {model:?} in the map is not an object; it is kept"))
        })
        .collect();
    let more = odd.count();
    if more > 0 {
        warnings
            .push(warning(format!("{more} more values in the map are not objects; they are kept")));
    }
    warnings
}
