//! Cached values in memory: those used last, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::entry::Header;
use crate::chunk::codec::ContentEncoding;
use crate::store::Blob;

/// Bytes that a value takes beside itself, its name and its version.
const OVERHEAD: u64 = 256;

/// A cached value, with whatever stood before it in its file.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) header: Header,
    data: Vec<u8>,
    start: usize,
}

impl Value {
    /// The value that begins at `start` of `data`.
    pub(super) fn new(header: Header, data: Vec<u8>, start: usize) -> Self {
        Self { header, data, start }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.data[self.start..]
    }

    pub(super) fn encoding(&self) -> ContentEncoding {
        self.header.encoding
    }

    pub(super) fn blob(&self) -> Blob<'_> {
        Blob { version: self.header.version.as_deref(), ..Blob::whole(self.bytes(), self.encoding()) }
    }

    fn cost(&self) -> u64 {
        let texts = 2 * self.header.name.len() + self.header.version.as_ref().map_or(0, String::len);
        (self.data.capacity() + texts) as u64 + OVERHEAD
    }
}

/// Values by name, at most `most` bytes of them.
#[derive(Debug)]
pub(super) struct Memory {
    most: u64,
    used: u64,
    clock: u64,
    values: HashMap<Arc<str>, (u64, Arc<Value>)>,
    by_use: BTreeMap<u64, Arc<str>>,
}

impl Memory {
    pub(super) fn new(most: u64) -> Self {
        Self { most, used: 0, clock: 0, values: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// The header of a value, which does not count as a use.
    pub(super) fn header(&self, name: &str) -> Option<&Header> {
        self.values.get(name).map(|(_, value)| &value.header)
    }

    pub(super) fn get(&mut self, name: &str) -> Option<Arc<Value>> {
        let (used_at, value) = self.values.get_mut(name)?;
        self.clock += 1;
        if let Some(name) = self.by_use.remove(used_at) {
            self.by_use.insert(self.clock, name);
        }
        *used_at = self.clock;
        Some(Arc::clone(value))
    }

    /// Keeps `value`, unless it alone would take more than a quarter of the memory.
    pub(super) fn put(&mut self, value: Arc<Value>) {
        self.remove(&value.header.name);
        let cost = value.cost();
        if cost > self.most / 4 {
            return;
        }
        while self.used + cost > self.most {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.forget(&oldest);
        }
        self.clock += 1;
        let name: Arc<str> = value.header.name.as_str().into();
        self.by_use.insert(self.clock, Arc::clone(&name));
        self.values.insert(name, (self.clock, value));
        self.used += cost;
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(used_at) = self.forget(name) {
            self.by_use.remove(&used_at);
        }
    }

    fn forget(&mut self, name: &str) -> Option<u64> {
        let (used_at, value) = self.values.remove(name)?;
        self.used -= value.cost();
        Some(used_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, length: usize) -> Arc<Value> {
        let bytes = vec![7; length];
        let header = Header::new(name, None, ContentEncoding::Identity, &bytes).unwrap();
        Arc::new(Value::new(header, bytes, 0))
    }

    #[test]
    fn what_was_used_last_stays_within_the_bound() {
        let cost = value("0", 1000).cost();
        let mut memory = Memory::new(4 * cost);
        for name in ["0", "1", "2", "3"] {
            memory.put(value(name, 1000));
        }
        assert!(memory.get("0").is_some());
        memory.put(value("4", 1000));
        assert!(memory.header("1").is_none() && memory.get("0").is_some());
        memory.put(value("5", 5000));
        assert!(memory.header("5").is_none(), "larger than a quarter");
        memory.put(value("0", 10));
        assert_eq!(memory.get("0").unwrap().bytes().len(), 10);
        for k in 0..1000 {
            memory.put(value(&format!("{k}"), k % 1000));
            assert!(memory.used <= memory.most && memory.values.len() == memory.by_use.len());
        }
        (0..1000).for_each(|k| memory.remove(&format!("{k}")));
        assert_eq!((memory.used, memory.by_use.len()), (0, 0));
    }
}
