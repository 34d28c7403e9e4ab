//! Cuts members out of a map's original bytes, so that what stays needs no writing anew.
//!
//! It walks bytes that the parser has accepted, so it checks nothing itself; on anything else it
//! ends early and copies the rest, and never panics.

use super::Form;

/// `bytes`, a valid map in that form, without the mappings for whose places `goes` says so.
pub(super) fn cut(bytes: &[u8], form: Form, mut goes: impl FnMut(u32) -> bool) -> Vec<u8> {
    let mut cutter = Cutter { bytes, at: 0, out: Vec::with_capacity(bytes.len()) };
    let mut place = 0;
    let mut stays = |_: &mut Cutter<'_>| {
        let stays = !goes(place);
        place += 1;
        stays
    };
    match form {
        Form::Legacy => cutter.object(&mut stays),
        Form::Today => cutter.object(&mut |cutter: &mut Cutter<'_>| {
            if cutter.peek() == Some(b'{') {
                cutter.object(&mut stays);
            }
            true
        }),
    }
    cutter.out.extend_from_slice(bytes.get(cutter.at..).unwrap_or_default());
    cutter.out
}

struct Cutter<'a> {
    bytes: &'a [u8],
    /// Where the walk is; what lies before it is in `out`, or was cut.
    at: usize,
    out: Vec<u8>,
}

impl Cutter<'_> {
    /// Copies the object that comes next, but for the members that do not stay. `stays` is asked
    /// with the walk at the member's value, and may copy some of it itself.
    fn object(&mut self, stays: &mut dyn FnMut(&mut Self) -> bool) {
        self.copy_to_next(b'{');
        let inside = self.out.len();
        let (mut any_kept, mut any_cut) = (false, false);
        loop {
            let member = self.out.len();
            if any_kept {
                self.out.push(b',');
            }
            self.copy_space();
            if self.peek() != Some(b'"') {
                break;
            }
            self.copy_value();
            self.copy_to_next(b':');
            self.copy_space();
            let stay = stays(self);
            self.copy_value();
            if stay {
                any_kept = true;
            } else {
                any_cut = true;
                self.out.truncate(member);
            }
            let space = self.out.len();
            self.copy_space();
            let more = self.peek() == Some(b',');
            if more {
                self.at += 1;
            }
            if more && !stay {
                // The space before a comma belongs to the member it ends.
                self.out.truncate(space);
            }
            if !more {
                break;
            }
        }
        if any_cut && !any_kept {
            self.out.truncate(inside);
        }
        self.copy_to_next(b'}');
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn copy_while(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
        self.out.extend_from_slice(&rest[..length]);
        self.at += length;
    }

    fn copy_space(&mut self) {
        self.copy_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Copies up to and with the next `byte`.
    fn copy_to_next(&mut self, byte: u8) {
        self.copy_while(|next| next != byte);
        self.copy(1);
    }

    fn copy(&mut self, count: usize) {
        let end = self.bytes.len().min(self.at + count);
        self.out.extend_from_slice(&self.bytes[self.at..end]);
        self.at = end;
    }

    /// Copies what is left of the value that the walk is at or in, or nothing behind its end.
    fn copy_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => self.copy_text(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.copy(1);
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.copy(1);
                }
                None | Some(b'}' | b']') => return,
                Some(b',' | b' ' | b'\t' | b'\n' | b'\r') if depth == 0 => return,
                Some(_) if depth == 0 => {
                    self.copy_while(|byte| !b",]} \t\n\r".contains(&byte));
                }
                Some(_) => self.copy_while(|byte| !b"\"{}[]".contains(&byte)),
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn copy_text(&mut self) {
        self.copy(1);
        loop {
            self.copy_while(|byte| byte != b'"' && byte != b'\\');
            match self.peek() {
                Some(b'\\') => self.copy(2),
                _ => return self.copy(1),
            }
        }
    }
}
