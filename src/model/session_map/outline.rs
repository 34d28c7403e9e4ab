//! Finds the members of a map's objects in its bytes, so that mappings can be removed and restored
//! while everything else is copied as it is.
//!
//! The parser has accepted these bytes, so nothing is checked. Other bytes end the walk early, without a
//! panic.

use super::document::Form;

/// One member of an object, as positions in the bytes: white space, key, colon, value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// Right after the brace or comma before it.
    pub(crate) start: u32,
    /// The opening quote of its key.
    pub(crate) key: u32,
    pub(crate) value: u32,
    /// Right after its value.
    pub(crate) end: u32,
    /// The comma or closing brace after it.
    pub(crate) next: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Object {
    /// Right after the opening brace.
    pub(crate) inside: u32,
    pub(crate) close: u32,
    pub(crate) members: Vec<Member>,
}

#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) top: Object,
    /// In today's form, the object of each member of the map that has one.
    pub(crate) models: Vec<Option<Object>>,
}

pub(crate) fn outline(bytes: &[u8], form: Form) -> Outline {
    let mut walk = Walk { bytes, at: 0 };
    let top = walk.object();
    let models = match form {
        Form::Legacy => Vec::new(),
        Form::Today => top.members.iter().map(|member| Walk::inner(bytes, member)).collect(),
    };
    Outline { top, models }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// Returns the object that is the value of that member, if it is one.
    fn inner(bytes: &'a [u8], member: &Member) -> Option<Object> {
        let mut walk = Walk { bytes, at: member.value as usize };
        (walk.peek() == Some(b'{')).then(|| walk.object())
    }

    fn object(&mut self) -> Object {
        self.skip_space();
        self.at += 1;
        let mut object = Object { inside: self.place(), ..Object::default() };
        loop {
            let start = self.place();
            self.skip_space();
            let key = self.place();
            if self.peek() != Some(b'"') {
                break;
            }
            self.skip_text();
            self.skip_space();
            self.at += 1;
            self.skip_space();
            let value = self.place();
            self.skip_value();
            let end = self.place();
            self.skip_space();
            let next = self.place();
            object.members.push(Member { start, key, value, end, next });
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }

        object.close = self.place();
        object
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The current position. Maps are far smaller than 4 GiB.
    fn place(&self) -> u32 {
        u32::try_from(self.at.min(self.bytes.len())).unwrap_or(u32::MAX)
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn skip_text(&mut self) {
        self.at += 1;
        loop {
            self.skip_while(|byte| byte != b'"' && byte != b'\\');
            if self.peek() == Some(b'\\') {
                self.at += 2;
            } else {
                self.at += 1;
                return;
            }
        }
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return,
                Some(b'"') => self.skip_text(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some(_) if depth == 0 => self.skip_while(|byte| !b",}] \t\n\r".contains(&byte)),
                Some(_) => self.skip_while(|byte| !b"\"{}[]".contains(&byte)),
            }
            if depth == 0 {
                return;
            }
        }
    }
}
