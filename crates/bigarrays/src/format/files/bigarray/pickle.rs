//! Python's pickle, as far as an index needs it: a dict of strings to pairs of integers.
//!
//! Only the opcodes of such dicts are known, of protocols 2 to 5. There is none among them that names a
//! class or calls anything.

use std::collections::HashMap;
use std::ops::Range;

use crate::base::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    Dict,
    Mark,
    Name(&'a str),
    Number(u64),
    Pair(u64, u64),
}

/// Reads a dict of names to first and last row, the last excluded, in its order.
///
/// # Errors
/// `InvalidMetadata` for anything else.
pub fn parse_index(bytes: &[u8]) -> Result<Vec<(String, Range<u64>)>> {
    let mut machine = Machine { rest: bytes, stack: Vec::new(), memo: HashMap::new(), found: Vec::new() };
    while machine.step()? {}
    match machine.stack[..] {
        [Value::Dict] if machine.rest.is_empty() => Ok(machine.found),
        _ => Err(unexpected("a dict and nothing else")),
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    memo: HashMap<u32, Value<'a>>,
    found: Vec<(String, Range<u64>)>,
}

impl<'a> Machine<'a> {
    /// Obeys one opcode; says whether there are more.
    fn step(&mut self) -> Result<bool> {
        let value = match self.number(1)? as u8 {
            // PROTO, FRAME
            0x80 => return self.number(1).map(|version| version <= 5),
            0x95 => return self.number(8).map(|_| true),
            // STOP
            b'.' => return Ok(false),
            // EMPTY_DICT
            b'}' if self.stack.is_empty() && self.found.is_empty() => Value::Dict,
            // MARK
            b'(' => Value::Mark,
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' => self.name(4)?,
            0x8c => self.name(1)?,
            0x8d => self.name(8)?,
            // BININT, BININT1, BININT2, LONG1: negative ones are no rows
            b'J' => self.non_negative(4)?,
            b'K' => Value::Number(self.number(1)?),
            b'M' => Value::Number(self.number(2)?),
            0x8a => match self.number(1)? {
                0 => Value::Number(0),
                length @ 1..=8 => self.non_negative(length)?,
                _ => return Err(unexpected("a row")),
            },
            // TUPLE2
            0x86 => match (self.pop()?, self.pop()?) {
                (Value::Number(end), Value::Number(start)) => Value::Pair(start, end),
                _ => return Err(unexpected("two rows")),
            },
            // MEMOIZE, BINPUT, LONG_BINPUT
            0x94 => return self.memoize(self.memo.len() as u32),
            b'q' => return self.number(1).and_then(|key| self.memoize(key as u32)),
            b'r' => return self.number(4).and_then(|key| self.memoize(key as u32)),
            // BINGET, LONG_BINGET
            b'h' => self.remembered(1)?,
            b'j' => self.remembered(4)?,
            // SETITEM, SETITEMS
            b's' => return self.set_item().map(|()| true),
            b'u' => return self.set_items().map(|()| true),
            _ => return Err(unexpected("a dict of names")),
        };
        self.stack.push(value);
        Ok(true)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let taken = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = taken.ok_or_else(|| unexpected("more"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned little-endian number of up to 8 bytes.
    fn number(&mut self, bytes: u64) -> Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// A signed one, which must not be below zero.
    fn non_negative(&mut self, bytes: u64) -> Result<Value<'a>> {
        let number = self.number(bytes)?;
        if number >> (bytes * 8 - 1) == 0 { Ok(Value::Number(number)) } else { Err(unexpected("a row")) }
    }

    fn name(&mut self, bytes: u64) -> Result<Value<'a>> {
        let length = self.number(bytes)?;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Value::Name).map_err(|_| unexpected("a name"))
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        self.stack.pop().ok_or_else(|| unexpected("a value"))
    }

    fn memoize(&mut self, key: u32) -> Result<bool> {
        let top = *self.stack.last().ok_or_else(|| unexpected("a value"))?;
        self.memo.insert(key, top);
        Ok(true)
    }

    /// A second dict would be the first in another place.
    fn remembered(&mut self, bytes: u64) -> Result<Value<'a>> {
        let key = self.number(bytes)? as u32;
        match self.memo.get(&key) {
            Some(value @ (Value::Name(_) | Value::Pair(..))) => Ok(*value),
            _ => Err(unexpected("a name or a pair")),
        }
    }

    fn set_item(&mut self) -> Result<()> {
        let (value, key) = (self.pop()?, self.pop()?);
        if self.stack[..] != [Value::Dict] {
            return Err(unexpected("a dict"));
        }
        self.add(key, value)
    }

    fn set_items(&mut self) -> Result<()> {
        if self.stack.get(..2) != Some(&[Value::Dict, Value::Mark]) {
            return Err(unexpected("a dict"));
        }
        let items = self.stack.split_off(2);
        self.stack.pop();
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(unexpected("a name for every pair"));
        }
        pairs.into_iter().try_for_each(|pair| self.add(pair[0], pair[1]))
    }

    fn add(&mut self, key: Value<'_>, value: Value<'_>) -> Result<()> {
        let (Value::Name(name), Value::Pair(start, end)) = (key, value) else {
            return Err(unexpected("a name and a pair"));
        };
        self.found.push((name.to_owned(), start..end));
        Ok(())
    }
}

#[cold]
fn unexpected(wanted: &str) -> Error {
    Error::metadata(format!("the index is not as bigarray writes it: {wanted} is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<(String, Range<u64>)> {
        parse_index(bytes).unwrap()
    }

    #[test]
    fn dicts_of_all_protocols() {
        // pickle.dumps({"a": (0, 300), "b": (2**31, 2**40)}, protocol) of Python 3.11.
        let two = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x00M,\x01\x86q\x02X\x01\x00\x00\x00bq\x03\x8a\x05\x00\x00\x00\x80\x00\x8a\x06\x00\x00\x00\x00\x00\x01\x86q\x04u.";
        let four = b"\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94K\x00M,\x01\x86\x94\x8c\x01b\x94\x8a\x05\x00\x00\x00\x80\x00\x8a\x06\x00\x00\x00\x00\x00\x01\x86\x94u.";
        for bytes in [&two[..], four] {
            assert_eq!(found(bytes), [("a".to_owned(), 0..300), ("b".to_owned(), 1 << 31..1 << 40)]);
            for cut in 0..bytes.len() {
                assert!(parse_index(&bytes[..cut]).is_err());
            }
        }
        assert_eq!(found(b"\x80\x03}q\x00."), []);
        assert_eq!(found(b"\x80\x04}\x94\x8c\x01aK\x01K\x02\x86s."), [("a".to_owned(), 1..2)]);
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            &b"\x80\x04cos\nsystem\n\x8c\x02ls\x85R."[..],      // calls
            b"\x80\x04\x8c\x02os\x8c\x06system\x93.",           // names a function
            b"\x80\x04}(\x8c\x01aK\x01u.",                      // a name without a pair
            b"\x80\x04}(\x8c\x01aJ\xff\xff\xff\xffK\x01\x86u.", // a negative row
            b"\x80\x04}\x94(\x8c\x01ah\x00u.",                  // a dict in itself
            b"\x80\x04}(K\x01\x8c\x01au.",                      // a number as name
            b"\x80\x04}}.",
            b"\x80\x04}.more",
            b"\x80\x06}.",
            b"}(\x8d\xff\xff\xff\xff\xff\xff\xff\xffa",
            b"}s.",
            b".",
        ] {
            assert!(parse_index(bad).is_err(), "{bad:?}");
        }
    }
}
