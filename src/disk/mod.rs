//! The file system: listing folders, reading the map, replacing it safely, locking it.
//!
//! What changes the disk is in `replace`, with `attributes`, and `lock`; nothing in here knows what
//! a session is.

mod attributes;
pub mod folder;
pub mod interrupt;
pub mod lock;
pub mod map_file;
pub mod replace;

/// The error in a few lower-case words, without its number: `permission denied`.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
