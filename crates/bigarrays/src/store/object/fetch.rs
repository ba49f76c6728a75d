//! Reading one value: which requests it takes, and what their answers make together.

use std::ops::Range;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Attributes, GetOptions, GetRange, GetResult, ObjectMeta};
use tokio::sync::OwnedSemaphorePermit;

use super::checksum::Checksums;
use super::client::Client;
use super::failure::{self, is_missing};
use super::header::encoding_of;
use super::runtime::{Again, Budget};
use super::transport::OfValue;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{Blob, Extent, Part, Wanted};

/// Ranges no further apart than this are one request: they come about as soon as another would.
pub(super) const GAP: u64 = 5 << 18;

/// Ranges of one value that are requested at once.
const AT_ONCE: usize = 8;

/// How often a value may be replaced between two requests for parts of it.
const REPLACED: usize = 10;

/// What came of one value.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    pub(super) encoding: ContentEncoding,
    pub(super) extent: Extent,
    pub(super) version: Option<String>,
    /// What the service calls the version beside its tag, if anything.
    pub(super) generation: Option<String>,
    pub(super) attributes: Attributes,
    /// Memory set aside for the bytes.
    _memory: Option<OwnedSemaphorePermit>,
}

impl Fetched {
    /// The answer of a store that gives none, and why.
    pub(super) fn refused(reason: &Error) -> Self {
        Self {
            bytes: reason.to_string().into_bytes(),
            encoding: ContentEncoding::Identity,
            extent: Extent::Refused,
            version: None,
            generation: None,
            attributes: Attributes::new(),
            _memory: None,
        }
    }

    pub(super) fn blob(&self) -> Blob<'_> {
        Blob {
            bytes: &self.bytes,
            encoding: self.encoding,
            extent: self.extent,
            version: self.version.as_deref(),
        }
    }
}

/// What is to be fetched, and from where.
pub(super) struct Fetch<'a> {
    pub(super) client: &'a Client,
    pub(super) path: &'a Path,
    pub(super) part: &'a Part,
    pub(super) max_len: u64,
    pub(super) version: &'a Wanted,
    /// Bounds the bytes under way; none if the caller set memory aside.
    pub(super) budget: Option<&'a Budget>,
    /// Explains an error of the service.
    pub(super) explain: &'a (dyn Fn(object_store::Error) -> Error + Sync),
}

/// What the first answer to a request says.
enum Answer {
    Missing,
    /// The service does not answer such a request for this value.
    NoRange,
    Withheld(Option<String>),
    Value(GetResult),
}

impl Fetch<'_> {
    /// Fetches the wanted part, again where it came incomplete; `None` if there is no value.
    pub(super) async fn run(&self) -> Result<Option<Fetched>> {
        let mut again = Again::FIRST;
        loop {
            match self.once().await {
                Err(error) if again.after(&error).await => {}
                done => return done,
            }
        }
    }

    async fn once(&self) -> Result<Option<Fetched>> {
        match self.part {
            Part::Whole => self.whole().await,
            Part::Presence => self.presence().await,
            Part::First(length) => self.end(GetRange::Bounded(0..(*length).max(1)), *length).await,
            Part::Last(length) => self.end(GetRange::Suffix((*length).max(1)), *length).await,
            Part::Ranges { ranges, total } => {
                let Some((first, last)) = ranges.first().zip(ranges.last()) else {
                    return self.presence().await;
                };
                let span = first.start..last.end;
                if span.is_empty() || self.client.ignores_ranges.load(Ordering::Relaxed) {
                    return self.cut_from_whole().await;
                }
                self.ranges(ranges, *total).await
            }
        }
    }

    async fn ask(&self, range: Option<GetRange>, head: bool) -> Result<Answer> {
        let strong = |version: &String| (!version.starts_with("W/")).then(|| version.clone());
        let options = GetOptions {
            extensions: OfValue::mark(self.max_len),
            range,
            head,
            if_none_match: if let Wanted::Unless(known) = self.version { Some(known.clone()) } else { None },
            if_match: if let Wanted::Only(wanted) = self.version { strong(wanted) } else { None },
            ..GetOptions::default()
        };
        match self.client.store.get_opts(self.path, options).await {
            Ok(result) if self.version.withholds(result.meta.e_tag.as_deref()) => {
                Ok(Answer::Withheld(result.meta.e_tag))
            }
            Ok(result) => Ok(Answer::Value(result)),
            Err(object_store::Error::NotModified { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Answer::Withheld(None))
            }
            Err(error) if is_missing(&error) => Ok(Answer::Missing),
            Err(error)
                if failure::status(&error)
                    .is_some_and(|status| self.client.missing_status.contains(&status)) =>
            {
                Ok(Answer::Missing)
            }
            // A range that begins at the end or beyond it, or one that Azure does not know.
            Err(object_store::Error::NotSupported { .. }) => Ok(Answer::NoRange),
            Err(error) if failure::status(&error) == Some(416) => Ok(Answer::NoRange),
            Err(error) if head && matches!(failure::status(&error), Some(405 | 501)) => Ok(Answer::NoRange),
            Err(error) => Err((self.explain)(error)),
        }
    }

    fn fetched(
        &self,
        bytes: Vec<u8>,
        extent: Extent,
        meta: &ObjectMeta,
        attributes: Attributes,
    ) -> Result<Fetched> {
        let encoding =
            if extent == Extent::Whole { encoding_of(&attributes)? } else { ContentEncoding::Identity };
        let version = (*self.version != Wanted::Any).then(|| meta.e_tag.clone()).flatten();
        let generation = meta.version.clone();
        Ok(Fetched { bytes, encoding, extent, version, generation, attributes, _memory: None })
    }

    fn withheld(&self, version: Option<String>) -> Fetched {
        // Without a name in the answer it is the one that was known.
        let known = if let Wanted::Unless(known) = self.version { Some(known.clone()) } else { None };
        Self::nothing(Extent::Withheld, version.or(known))
    }

    fn nothing(extent: Extent, version: Option<String>) -> Fetched {
        Fetched {
            bytes: Vec::new(),
            encoding: ContentEncoding::Identity,
            extent,
            version,
            generation: None,
            attributes: Attributes::new(),
            _memory: None,
        }
    }

    async fn presence(&self) -> Result<Option<Fetched>> {
        let answer = match self.ask(None, true).await? {
            // Not every web server knows HEAD.
            Answer::NoRange => self.ask(Some(GetRange::Bounded(0..1)), false).await?,
            answer => answer,
        };
        match answer {
            Answer::Missing => Ok(None),
            // Then it is empty.
            Answer::NoRange => Ok(Some(Self::nothing(Extent::Parts, None))),
            Answer::Withheld(version) => Ok(Some(self.withheld(version))),
            Answer::Value(found) => {
                self.fetched(Vec::new(), Extent::Parts, &found.meta, found.attributes).map(Some)
            }
        }
    }

    async fn whole(&self) -> Result<Option<Fetched>> {
        match self.ask(None, false).await? {
            Answer::Missing => Ok(None),
            Answer::NoRange => {
                Err(Error::new(ErrorKind::Storage, "the service finds a range where none was asked for"))
            }
            Answer::Withheld(version) => Ok(Some(self.withheld(version))),
            Answer::Value(found) => self.all_of(found).await.map(Some),
        }
    }

    async fn all_of(&self, found: GetResult) -> Result<Fetched> {
        let (size, most) = (found.meta.size, self.max_len);
        if size > most {
            return Err(Error::corrupt(format!("{size} bytes, of at most {most} that it can have")));
        }
        let memory = self.set_aside(found.range.end - found.range.start).await;
        Ok(Fetched { _memory: memory, ..self.take(found, Extent::Whole).await? })
    }

    /// What an answer brings, its body included, compared with its checksum if it has one.
    async fn take(&self, found: GetResult, extent: Extent) -> Result<Fetched> {
        let (meta, attributes) = (found.meta.clone(), found.attributes.clone());
        let sums = found.extensions.get::<Checksums>().cloned().unwrap_or_default();
        let bytes = self.body(found).await?;
        sums.check(&bytes)?;
        self.fetched(bytes, extent, &meta, attributes)
    }

    async fn set_aside(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        Some(self.budget?.set_aside(bytes).await)
    }

    /// The body of an answer, exactly as long as it says.
    async fn body(&self, found: GetResult) -> Result<Vec<u8>> {
        let expected = found.range.end - found.range.start;
        let too_large =
            || Error::new(ErrorKind::MemoryBudget, format!("{expected} bytes do not fit into memory"));
        let length = usize::try_from(expected).map_err(|_| too_large())?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| too_large())?;
        let mut stream = found.into_stream();
        let broken = |error| {
            let error = (self.explain)(error);
            // The rest of the body could not be had: it may have been replaced, by a shorter one.
            if error.kind() == ErrorKind::Storage { error.retryable() } else { error }
        };
        while let Some(piece) = stream.try_next().await.map_err(broken)? {
            if bytes.len() + piece.len() > length {
                return Err(Error::corrupt(format!("more than the {expected} bytes announced")));
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() < length {
            let message = format!("{} of {expected} bytes arrived", bytes.len());
            return Err(Error::new(ErrorKind::Storage, message).retryable());
        }
        Ok(bytes)
    }

    /// The wanted part of a value that is fetched whole, where the server knows no ranges.
    async fn cut_from_whole(&self) -> Result<Option<Fetched>> {
        let Some(mut fetched) = self.whole().await? else { return Ok(None) };
        if fetched.extent == Extent::Whole
            && let Some(ranges) = self.part.of(fetched.bytes.len() as u64, fetched.encoding)?
        {
            join(&mut fetched.bytes, &ranges);
            fetched.extent = Extent::Parts;
        }
        Ok(Some(fetched))
    }

    /// Up to `length` bytes at one end of the value, whose size is not known.
    async fn end(&self, range: GetRange, length: u64) -> Result<Option<Fetched>> {
        let found = match self.ask(Some(range), false).await? {
            // An empty value has no ends, and Azure does not count from the last byte.
            Answer::NoRange => return self.end_by_size().await,
            Answer::Missing => return Ok(None),
            Answer::Withheld(version) => return Ok(Some(self.withheld(version))),
            Answer::Value(found) => found,
        };
        if encoding_of(&found.attributes)? != ContentEncoding::Identity {
            return self.whole().await;
        }
        let memory = self.set_aside(found.range.end - found.range.start).await;
        let mut fetched = self.take(found, Extent::Parts).await?;
        fetched.bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(Some(Fetched { _memory: memory, ..fetched }))
    }

    async fn end_by_size(&self) -> Result<Option<Fetched>> {
        let found = match self.ask(None, true).await? {
            Answer::Missing => return Ok(None),
            Answer::NoRange => return self.cut_from_whole().await,
            Answer::Withheld(version) => return Ok(Some(self.withheld(version))),
            Answer::Value(found) => found,
        };
        let size = found.meta.size;
        let ranges = match self.part.of(size, encoding_of(&found.attributes)?)? {
            Some(ranges) if size > 0 => ranges.into_owned(),
            _ => return self.cut_from_whole().await,
        };
        let part = Part::Ranges { ranges: ranges.clone(), total: Some(size) };
        let again = Fetch { part: &part, ..*self };
        Box::pin(again.ranges(&ranges, Some(size))).await
    }

    async fn ranges(&self, ranges: &[Range<u64>], total: Option<u64>) -> Result<Option<Fetched>> {
        let groups: Vec<&[Range<u64>]> =
            ranges.chunk_by(|one, next| next.start.saturating_sub(one.end) <= GAP).collect();
        // All at once: whoever holds some memory must not wait for more.
        let spans = groups.iter().flat_map(|group| group.first().zip(group.last()));
        let bytes = spans.map(|(first, last)| last.end - first.start).sum();
        let memory = self.set_aside(bytes).await;
        for _ in 0..REPLACED {
            match self.groups(&groups, total).await? {
                Joined::Done(fetched) => {
                    return Ok(fetched.map(|fetched| Fetched { _memory: memory, ..fetched }));
                }
                Joined::Whole => {
                    drop(memory);
                    return self.cut_from_whole().await;
                }
                Joined::Replaced => {}
            }
        }
        let message = "the value is replaced again and again while it is read";
        Err(Error::new(ErrorKind::Storage, message).retryable())
    }

    /// Fetches groups of near ranges, all of one version.
    async fn groups(&self, groups: &[&[Range<u64>]], total: Option<u64>) -> Result<Joined> {
        // What is fetched is decided here, not in the closure below, which must not borrow from it.
        let requests: Vec<_> = groups.iter().map(|group| self.group(group, total)).collect();
        let parts: Vec<Group> = futures_util::stream::iter(requests).buffered(AT_ONCE).try_collect().await?;
        let mut joined: Option<(Fetched, ObjectMeta)> = None;
        for part in parts {
            let (mut fetched, meta) = match part {
                Group::Missing => {
                    return Ok(if joined.is_none() { Joined::Done(None) } else { Joined::Replaced });
                }
                Group::Withheld(version) => return Ok(Joined::Done(Some(self.withheld(version)))),
                Group::Other => return Ok(Joined::Whole),
                Group::Bytes(bytes) => *bytes,
            };
            match &mut joined {
                None => joined = Some((fetched, meta)),
                // Where there are no tags, time and size have to tell.
                Some((_, first)) if *first != meta => return Ok(Joined::Replaced),
                Some((all, _)) => all.bytes.append(&mut fetched.bytes),
            }
        }
        Ok(Joined::Done(joined.map(|(fetched, _)| fetched)))
    }

    async fn group(&self, group: &[Range<u64>], total: Option<u64>) -> Result<Group> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(Group::Other) };
        let span = first.start..last.end;
        if span.is_empty() {
            return Ok(Group::Other);
        }
        let found = match self.ask(Some(GetRange::Bounded(span.clone())), false).await? {
            Answer::Value(found) => found,
            Answer::Missing => return Ok(Group::Missing),
            Answer::Withheld(version) => return Ok(Group::Withheld(version)),
            Answer::NoRange if total.is_none() => return Err(beyond(&span)),
            Answer::NoRange => return Ok(Group::Other),
        };
        let is_plain = encoding_of(&found.attributes)? == ContentEncoding::Identity;
        if is_plain && total.is_none() && found.meta.size < span.end {
            return Err(beyond(&span));
        }
        if !is_plain || total.is_some_and(|total| found.meta.size != total) || found.range != span {
            return Ok(Group::Other);
        }
        let meta = found.meta.clone();
        let mut fetched = self.take(found, Extent::Parts).await?;
        let relative: Vec<_> =
            group.iter().map(|range| range.start - span.start..range.end - span.start).collect();
        join(&mut fetched.bytes, &relative);
        Ok(Group::Bytes(Box::new((fetched, meta))))
    }
}

/// What came of one group of ranges.
enum Group {
    Missing,
    Withheld(Option<String>),
    /// The ranges do not fit the value as it is.
    Other,
    Bytes(Box<(Fetched, ObjectMeta)>),
}

/// What came of all groups.
enum Joined {
    Done(Option<Fetched>),
    Whole,
    Replaced,
}

fn beyond(span: &Range<u64>) -> Error {
    Error::corrupt(format!("it is shorter than {} bytes, which it should have or more", span.end))
}

/// Moves ascending `ranges` of `bytes` together, to its start, and drops the rest.
fn join(bytes: &mut Vec<u8>, ranges: &[Range<u64>]) {
    let mut end = 0;
    for range in ranges {
        bytes.copy_within(range.start as usize..range.end as usize, end);
        end += (range.end - range.start) as usize;
    }
    bytes.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_moved_together() {
        let mut bytes: Vec<u8> = (0..10).collect();
        join(&mut bytes, &[1..3, 3..3, 4..5, 9..10]);
        assert_eq!(bytes, [1, 2, 4, 9]);
    }
}
