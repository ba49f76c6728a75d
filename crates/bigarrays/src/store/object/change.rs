//! Changing one value: whole, or by compare-and-swap.
//!
//! A change that reads puts its result on the condition that the value is still the one it read, and
//! starts again if not. If the answer to such a put is lost, the value itself tells whether it was
//! made: every value put so carries the names of the changes that it contains, newest first.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, MultipartUpload, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, UpdateVersion,
};

use super::client::Client;
use super::failure::{ALONE, is_missing, is_unknown, knows_no_conditions};
use super::fetch::{Fetch, Fetched};
use super::header::header_of;
use super::maker::Maker;
use super::random::random;
use super::runtime::Again;
use super::transport::OfValue;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{Change, Part, Wanted};

/// The metadata entry with the names of the changes that a value contains; letters alone, as services
/// allow different signs.
const CHANGES: &str = "bigarrayschanges";

/// How many changes a value remembers.
const REMEMBERED: usize = 16;

/// Values of this many bytes and more are sent in parts, if they replace the old one unseen.
const MULTIPART: usize = 64 << 20;

/// Bytes of one part.
const PART: usize = 16 << 20;

/// Parts of one value under way at once.
const PARTS_AT_ONCE: usize = 4;

/// How often a change starts again because another writer came first.
const LOST_RACES: u32 = 1000;

/// A change of one value.
pub(super) struct Changing<'a> {
    pub(super) client: &'a Client,
    pub(super) path: &'a Path,
    pub(super) max_len: u64,
    /// Whether other processes may change the value at the same time.
    pub(super) has_rivals: bool,
    pub(super) explain: &'a (dyn Fn(object_store::Error) -> Error + Sync),
}

/// What became of a put on a condition.
enum Outcome {
    Done,
    /// The value is not the one that the condition names.
    Lost,
}

/// The value that a change read.
struct Old {
    version: Option<UpdateVersion>,
    changes: String,
}

impl Changing<'_> {
    /// Replaces the value by a new one, without looking at the old one.
    pub(super) async fn blind(&self, maker: &mut Maker<'_>) -> Result<()> {
        match maker.make(None).await? {
            (Change::Keep, _) => Ok(()),
            (Change::Delete | Change::Remove, _) => self.delete().await,
            (Change::Put(encoding) | Change::PutOrDelete(encoding), bytes) => {
                self.replace(bytes, encoding).await
            }
        }
    }

    /// Replaces the value by what is made of it, as often as it takes until no other change came
    /// between.
    pub(super) async fn by_comparison(&self, maker: &mut Maker<'_>) -> Result<()> {
        for attempt in 0..LOST_RACES {
            let fetched = self.fetch().await?;
            let old = Old::of(fetched.as_ref());
            let outcome = match maker.make(fetched).await? {
                (Change::Keep, _) => return Ok(()),
                (Change::Delete | Change::Remove, _) => self.delete_unless_changed(&old).await?,
                (Change::Put(encoding) | Change::PutOrDelete(encoding), bytes) => {
                    if !self.has_rivals {
                        return self.replace(bytes, encoding).await;
                    }
                    self.compare_and_put(&old, bytes, encoding).await?
                }
            };
            if let Outcome::Done = outcome {
                return Ok(());
            }
            // Whoever lost waits a little, and ever longer, so that somebody wins.
            let longest = 10u64 << attempt.min(6);
            tokio::time::sleep(std::time::Duration::from_millis(random() % longest)).await;
        }
        let message = "other writers always came first";
        Err(Error::new(ErrorKind::Storage, message).retryable())
    }

    async fn fetch(&self) -> Result<Option<Fetched>> {
        let (client, path, explain) = (self.client, self.path, self.explain);
        let (part, version) = (&Part::Whole, &Wanted::Named);
        Fetch { client, path, part, max_len: self.max_len, version, budget: None, explain }.run().await
    }

    async fn delete(&self) -> Result<()> {
        let mut again = Again::FIRST;
        loop {
            match self.client.store.delete(self.path).await {
                Err(error) if !is_missing(&error) => {
                    let error = (self.explain)(error);
                    if !again.after(&error).await {
                        return Err(error);
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    async fn delete_unless_changed(&self, old: &Old) -> Result<Outcome> {
        let now = self.look().await?;
        if !now.is_version(old) {
            return Ok(Outcome::Lost);
        }
        if now.version.is_some() {
            self.delete().await?;
        }
        Ok(Outcome::Done)
    }

    /// The value as it is now, without its bytes.
    async fn look(&self) -> Result<Old> {
        let extensions = OfValue::mark(self.max_len);
        let options = GetOptions { head: true, extensions, ..GetOptions::default() };
        match self.client.store.get_opts(self.path, options).await {
            Ok(found) => Ok(Old {
                version: Some(UpdateVersion { e_tag: found.meta.e_tag, version: found.meta.version }),
                changes: changes_of(&found.attributes).to_owned(),
            }),
            Err(error) if is_missing(&error) => Ok(Old { version: None, changes: String::new() }),
            Err(error) => Err((self.explain)(error)),
        }
    }

    async fn compare_and_put(&self, old: &Old, bytes: Vec<u8>, encoding: ContentEncoding) -> Result<Outcome> {
        let name = format!("{:016x}", random());
        let kept = old.changes.split(',').filter(|name| !name.is_empty()).take(REMEMBERED - 1);
        let changes = std::iter::once(name.as_str()).chain(kept).collect::<Vec<_>>().join(",");
        let mut attributes = self.attributes(&bytes, encoding);
        attributes.insert(Attribute::Metadata(CHANGES.into()), changes.into());
        let mode = old.version.clone().map_or(PutMode::Create, PutMode::Update);
        let payload = PutPayload::from(Bytes::from(bytes));
        let mut unknown = 0;
        loop {
            let options =
                PutOptions { mode: mode.clone(), attributes: attributes.clone(), ..PutOptions::default() };
            let error = match self.client.store.put_opts(self.path, payload.clone(), options).await {
                Ok(_) => return Ok(Outcome::Done),
                Err(error) => error,
            };
            match &error {
                _ if is_refused(&error) => {
                    // After an answer was lost, what stands in the way may be this very change.
                    let is_own = unknown > 0 && self.look().await?.changes.contains(&name);
                    return Ok(if is_own { Outcome::Done } else { Outcome::Lost });
                }
                _ if !is_unknown(&error) || unknown == LOST_ANSWERS => return Err((self.explain)(error)),
                _ => unknown += 1,
            }
            let longest = 100u64 << unknown.min(6);
            tokio::time::sleep(std::time::Duration::from_millis(longest / 2 + random() % longest)).await;
            let now = self.look().await.map_err(|error| {
                let message = format!("it is not known whether the value was changed: {error}");
                Error::new(error.kind(), message).caused_by(error).retryable()
            })?;
            if now.changes.contains(&name) {
                return Ok(Outcome::Done);
            }
            if !now.is_version(old) {
                return Ok(Outcome::Lost);
            }
            // Not made, or not yet: put again. One of the two succeeds, unless the old bytes come back
            // in between where versions are named after bytes.
        }
    }

    /// Puts `bytes` in place of whatever is there.
    async fn replace(&self, bytes: Vec<u8>, encoding: ContentEncoding) -> Result<()> {
        let attributes = self.attributes(&bytes, encoding);
        if bytes.len() >= MULTIPART {
            return self.replace_in_parts(bytes.into(), attributes).await;
        }
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = self.client.store.put_opts(self.path, Bytes::from(bytes).into(), options).await;
        put.map(drop).map_err(self.explain)
    }

    async fn replace_in_parts(&self, bytes: Bytes, mut attributes: Attributes) -> Result<()> {
        let name = format!("{:016x}", random());
        attributes.insert(Attribute::Metadata(CHANGES.into()), name.clone().into());
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = self.client.store.put_multipart_opts(self.path, options).await.map_err(self.explain)?;
        let mut open = OpenUpload(Some(upload));
        let Some(upload) = &mut open.0 else { return Ok(()) };
        let starts = (0..bytes.len()).step_by(PART);
        let parts: Vec<_> = starts
            .map(|start| upload.put_part(bytes.slice(start..bytes.len().min(start + PART)).into()))
            .collect();
        let sent =
            futures_util::stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<Vec<()>>().await;
        let done: object_store::Result<Option<PutResult>> = match sent {
            Ok(_) => upload.complete().await.map(Some),
            Err(error) => Err(error),
        };
        let Err(error) = done else {
            open.0 = None;
            return Ok(());
        };
        // A completion whose answer was lost cannot be repeated: the value tells whether it was made.
        if self.look().await.is_ok_and(|now| now.changes.contains(&name)) {
            open.0 = None;
            return Ok(());
        }
        open.abort().await;
        Err((self.explain)(error))
    }

    fn attributes(&self, bytes: &[u8], encoding: ContentEncoding) -> Attributes {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, content_type(bytes).into());
        attributes.insert(Attribute::CacheControl, self.client.cache_control.clone().into());
        if let Some(header) = header_of(encoding) {
            attributes.insert(Attribute::ContentEncoding, header.into());
        }
        attributes
    }

    /// Tries once whether the service heeds conditions, on objects of names that start with the path.
    ///
    /// # Errors
    /// `Unsupported` if it does not.
    pub(super) async fn check_conditions(&self) -> Result<()> {
        let trial = self.client.trial.get_or_try_init(|| self.try_conditions()).await?;
        trial.as_ref().map(|&()| ()).map_err(|fault| {
            let message = format!("{fault}: {ALONE}");
            Error::unsupported(message)
        })
    }

    /// What the service does wrong with conditions, if anything; tried on an object of its own, again
    /// from the start if an answer is lost.
    async fn try_conditions(&self) -> Result<std::result::Result<(), String>> {
        let mut lost = 0;
        loop {
            // A new name each time: a lost put may still be made.
            let path = Path::from(format!("{}-{:016x}", self.path, random()));
            let verdict = self.try_conditions_once(&path).await;
            let _ = self.client.store.delete(&path).await;
            match verdict {
                Ok(verdict) => return Ok(verdict.map_or(Ok(()), |fault| Err(fault.to_owned()))),
                Err(error) if knows_no_conditions(&error) => {
                    return Ok(Err("the service knows no conditional writes".to_owned()));
                }
                Err(error) if !is_unknown(&error) || lost == LOST_ANSWERS => {
                    return Err((self.explain)(error));
                }
                Err(_) => lost += 1,
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    async fn try_conditions_once(&self, path: &Path) -> object_store::Result<Option<&'static str>> {
        // Different bytes, as tags may be made of them.
        let put = async |bytes: &'static [u8], mode: PutMode| {
            let put = self.client.store.put_opts(path, PutPayload::from_static(bytes), mode.into()).await;
            match put {
                Ok(put) => Ok(Some(UpdateVersion::from(put))),
                Err(error) if is_refused(&error) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let Some(first) = put(b"1", PutMode::Create).await? else {
            return Ok(Some("the service refuses an If-None-Match that holds"));
        };
        if put(b"2", PutMode::Create).await?.is_some() {
            return Ok(Some("the service ignores If-None-Match"));
        }
        if put(b"3", PutMode::Update(first.clone())).await?.is_none() {
            return Ok(Some("the service refuses an If-Match that holds"));
        }
        if put(b"4", PutMode::Update(first)).await?.is_some() {
            return Ok(Some("the service ignores If-Match"));
        }
        Ok(None)
    }
}

/// An upload in parts that is neither complete nor aborted; aborted if it is dropped, as when the batch
/// is given up.
struct OpenUpload(Option<Box<dyn MultipartUpload>>);

impl OpenUpload {
    async fn abort(&mut self) {
        if let Some(mut upload) = self.0.take() {
            // What could not be aborted is for the service's own clean-up.
            let _ = upload.abort().await;
        }
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        if let (Some(_), Ok(runtime)) = (&self.0, tokio::runtime::Handle::try_current()) {
            let mut upload = Self(self.0.take());
            runtime.spawn(async move { upload.abort().await });
        }
    }
}

/// Whether a condition did not hold.
fn is_refused(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. })
}

/// How many answers to one put may be lost before that is an error.
const LOST_ANSWERS: u32 = 12;

impl Old {
    /// Whether this is the version of `other`; by their generations, where the service has them.
    fn is_version(&self, other: &Self) -> bool {
        match (&self.version, &other.version) {
            (Some(one), Some(other)) if one.version.is_some() && other.version.is_some() => {
                one.version == other.version
            }
            (one, other) => {
                let tag =
                    |version: &Option<UpdateVersion>| version.as_ref().map(|version| version.e_tag.clone());
                tag(one) == tag(other)
            }
        }
    }

    fn of(fetched: Option<&Fetched>) -> Self {
        let version = fetched.map(|fetched| UpdateVersion {
            e_tag: fetched.version.clone(),
            version: fetched.generation.clone(),
        });
        let changes = fetched.map_or("", |fetched| changes_of(&fetched.attributes)).to_owned();
        Self { version, changes }
    }
}

fn changes_of(attributes: &Attributes) -> &str {
    attributes.get(&Attribute::Metadata(CHANGES.into())).map_or("", |value| value.as_ref())
}

/// What browsers and viewers are told that a value is.
fn content_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        // Other values that begin so are no JSON before long.
        [b'{', ..] if serde_json::from_slice::<serde_json::Value>(bytes).is_ok() => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_name_and_content() {
        assert_eq!(content_type(b"{\"a\": [1]}\n"), "application/json");
        assert_eq!(content_type(b"\xff\xd8\xff\xe0"), "image/jpeg");
        assert_eq!(content_type(b"12"), "application/octet-stream");
        assert_eq!(content_type(b"{1"), "application/octet-stream");
    }
}
