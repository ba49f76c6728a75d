//! Stores: keys ↔ bytes. Blocking and batched; a store decides for itself how to do a batch in
//! parallel, and hands each value on from whichever thread has it.

mod flat;

pub use flat::FlatFile;
pub(crate) use flat::{KeyLocks, in_parallel, io_error, temporary_beside};

use std::fmt::Debug;
use std::sync::Arc;

use crate::codec::{ContentEncoding, EncodedRanges};
use crate::error::Result;

/// A key-value storage rooted at one place. Keys are relative paths with `/` between parts.
///
/// # Contract
/// - A value is replaced whole: every reader, in any process and after any crash, sees the old bytes
///   or the new ones.
/// - Changes of one key through [`Store::update_many`] follow each other, whoever makes them: each
///   sees the bytes that the one before left.
/// - Only what is certainly absent is reported as missing; any other failure is an error.
/// - Methods take shared references and may be called from many threads at once.
pub trait Store: Debug + Send + Sync {
    /// The URL or path of `key`, for messages and for reopening; the root's for an empty key.
    fn location(&self, key: &str) -> String;

    /// The store rooted at `path` below this one. `path` may contain `..`.
    ///
    /// # Errors
    /// `InvalidArgument` if the path leaves what can be addressed.
    fn child(&self, path: &str) -> Result<Arc<dyn Store>>;

    /// Hands each requested value to `sink` as it arrives, in any order, from any thread; `None` if
    /// the key is missing. An error of a request or of the sink ends the batch and is returned.
    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()>;

    /// Changes each key as `change` says. It is called with the request's position, the value as it
    /// is (`None` if missing, or if the request does not ask for it), and an empty buffer to put the
    /// new value into; maybe more than once, where another writer came first. A store may call it
    /// from several threads.
    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()>;

    /// Calls `found` with the key and size in bytes of every value whose key starts with `prefix`,
    /// in no particular order.
    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()>;
}

/// Receives the values of [`Store::get_many`] by the position of their request.
pub type GetSink<'a> = dyn Fn(usize, Option<Blob<'_>>) -> Result<()> + Sync + 'a;

/// Makes the new values of [`Store::update_many`].
pub type ChangeFn<'a> = dyn Fn(usize, Option<Blob<'_>>, &mut Vec<u8>) -> Result<Change> + Sync + 'a;

/// A request for one value.
#[derive(Clone, Debug)]
pub struct Get {
    /// The key.
    pub key: String,
    /// Wanted parts. They apply to a value of exactly `total` bytes without a content encoding; any
    /// other value is sent whole, with [`Blob::is_whole`] set.
    pub ranges: Option<EncodedRanges>,
}

/// A value, or the joined parts of one.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// How the bytes are to be decoded before they are the value.
    pub encoding: ContentEncoding,
    /// Whether these are all bytes of the value rather than the parts asked for.
    pub is_whole: bool,
}

/// A request to change one value.
#[derive(Clone, Debug)]
pub struct Update {
    /// The key.
    pub key: String,
    /// Whether the change depends on the value as it is.
    pub reads: bool,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The contents of the buffer replace it.
    Put(ContentEncoding),
    /// It is removed, if it exists.
    Delete,
    /// It stays.
    Keep,
}
