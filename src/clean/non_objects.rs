//! Models in the map whose value is not an object of chats: they are left unchanged, with a warning.

use crate::config::Clean;
use crate::model::{SessionMap, Warning, WarningCode};

/// How many models are named, of a map that may be full of them.
const NAMED: usize = 1000;

pub(super) fn warnings(map: &SessionMap, config: &Clean) -> Vec<Warning> {
    let mut models = map.other_models().filter(|model| config.asks_for(model));
    let named = models.by_ref().take(NAMED);
    let mut messages: Vec<String> = named
        .map(|model| format!("the value of {model:?} in the map is not an object; it is kept"))
        .collect();
    let more = models.count();
    if more > 0 {
        messages.push(format!("{more} more values in the map are not objects; they are kept"));
    }

    let code = WarningCode::ModelNotObject;
    messages.into_iter().map(|message| Warning::new(code, message)).collect()
}
