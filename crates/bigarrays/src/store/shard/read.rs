//! Reading chunks: the indexes, then near chunks of a shard with one request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::sharded::{Lookup, Lookups, Places, Sharded, keeps_changing};
use crate::base::buffer::with_scratch;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::run::interrupt::check_interrupt;
use crate::store::{Blob, Extent, Get, GetSink, Part, Wanted, in_parallel};

/// How often a shard is read that others replace meanwhile.
pub(in crate::store) const ATTEMPTS: u32 = 20;

/// How many times what a request costs is read with one request: then it does not count any more.
const REQUEST_BYTES: u64 = 16;

/// The least of that: what a thread decodes at once where requests cost little.
const LEAST_REQUEST: u64 = 1 << 20;

/// Indexes are held of so many minishards at once.
pub(in crate::store) const MINISHARDS: usize = 1024;

/// Answers `requests`, as [`Store::get_many`](crate::store::Store::get_many).
pub(in crate::store) fn get_many<S: Sharded>(store: &S, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
    let item = |(position, request): (usize, &Get)| {
        let (id, place) = store.place(&request.key)?;
        Ok(Item { position, id, place })
    };
    let mut items: Vec<Item> = requests.iter().enumerate().map(item).collect::<Result<_>>()?;
    items.sort_unstable_by_key(|item| (item.place, item.id));
    let reader = Reader { store, requests, sink };
    let mut rest = &items[..];
    while !rest.is_empty() {
        let mut places = rest.chunk_by(|one, next| one.place == next.place);
        let count = places.by_ref().take(MINISHARDS).map(<[Item]>::len).sum();
        let (now, later) = rest.split_at(count);
        reader.read(now.to_vec())?;
        rest = later;
    }
    Ok(())
}

/// The bytes that were asked for; `None` if the value is of another version.
///
/// # Errors
/// `Unsupported` if the whole value is compressed.
pub(in crate::store) fn parts<'a>(blob: &Blob<'a>) -> Result<Option<&'a [u8]>> {
    match (blob.extent, blob.encoding) {
        (Extent::Withheld, _) => Ok(None),
        (Extent::Parts, ContentEncoding::Identity) => Ok(Some(blob.bytes)),
        _ => Err(Error::unsupported(
            "the whole file has a content encoding, so that no part of it can be read; store shards as they are",
        )),
    }
}

/// A chunk that is asked for.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Of its request.
    position: usize,
    id: u64,
    /// Its shard and minishard.
    place: (u64, u64),
}

struct Reader<'a, S: Sharded> {
    store: &'a S,
    requests: &'a [Get],
    sink: &'a GetSink<'a>,
}

/// What is to be read of one chunk: ranges of the file, ascending.
struct Piece {
    item: Item,
    ranges: Vec<Range<u64>>,
    /// Whether they are the whole chunk.
    is_whole: bool,
}

/// What one request of the inner store brings.
struct Group {
    get: Get,
    /// The version of the shard, as its index says.
    version: Option<String>,
    /// What is read, ascending; chunks near each other share a range.
    ranges: Vec<Range<u64>>,
    /// Where each of these begins among the joined bytes.
    joined: Vec<u64>,
    pieces: Vec<Piece>,
    /// Chunks of which the index alone tells all, if it is still that of the current version.
    known: Vec<(Item, bool)>,
}

/// What a call wants of one shard, by what its index says.
struct OfShard<'a, I> {
    minishard: &'a I,
    is_fresh: bool,
    pieces: Vec<Piece>,
    /// Chunks of which the index alone tells all, and whether they are there.
    known: Vec<(Item, bool)>,
}

impl<S: Sharded> Reader<'_, S> {
    /// Reads `pending`, again where a shard was replaced since its index was read.
    fn read(&self, mut pending: Vec<Item>) -> Result<()> {
        for attempt in 0..ATTEMPTS {
            let wanted: BTreeSet<_> = pending.iter().map(|item| item.place).collect();
            let lookups = self.store.look_up(&wanted)?;
            pending = self.read_current(&pending, &lookups)?;
            if pending.is_empty() {
                return Ok(());
            }
            pending.iter().try_for_each(|item| self.store.forget(item.place.0))?;
            check_interrupt()?;
            // A writer that replaces the shard again and again gets time to do something else.
            std::thread::sleep(Duration::from_millis(u64::from(attempt)));
        }
        Err(keeps_changing(pending.first().map_or_else(String::new, |item| self.location(item))))
    }

    fn location(&self, item: &Item) -> String {
        self.store.inner().location(&self.store.file(item.place.0))
    }

    /// Answers what the lookups allow, and returns what is to be looked up again.
    fn read_current(&self, pending: &[Item], lookups: &Lookups<S::Index>) -> Result<Vec<Item>> {
        let (mut again, mut known, mut shards) =
            (Vec::new(), Vec::new(), BTreeMap::<u64, OfShard<'_, S::Index>>::new());
        for item in pending {
            match lookups.get(&item.place) {
                None | Some(Lookup::Absent) => known.push((*item, false, None)),
                Some(Lookup::Changed) => again.push(*item),
                Some(Lookup::Found { minishard, is_fresh }) => {
                    let shard = shards.entry(item.place.0).or_insert_with(|| OfShard::new(minishard));
                    shard.is_fresh |= is_fresh;
                    shard.add(self, item, minishard)?;
                }
            }
        }
        let mut groups = Vec::new();
        for (number, mut shard) in shards {
            if shard.is_fresh {
                let version = shard.minishard.version().map(str::to_owned);
                known.extend(shard.known.drain(..).map(|(item, is_there)| (item, is_there, version.clone())));
            }
            groups.extend(self.group(number, shard)?);
        }
        in_parallel(&known, |_, (item, is_there, version)| self.answer(item, *is_there, version.as_deref()))?;
        again.extend(self.fetch(&groups)?);
        Ok(again)
    }

    /// Says whether a chunk is there, without bytes.
    fn answer(&self, item: &Item, is_there: bool, version: Option<&str>) -> Result<()> {
        match is_there {
            true => self.give(item, Blob::parts(&[]), version),
            false => (self.sink)(item.position, None),
        }
    }

    /// Gives the sink a chunk of a shard of this version, unless another is wanted.
    fn give<'b>(&self, item: &Item, mut blob: Blob<'b>, version: Option<&'b str>) -> Result<()> {
        let wanted = &self.requests[item.position].version;
        if wanted.withholds(version) {
            (blob.bytes, blob.extent) = (&[], Extent::Withheld);
        }
        if *wanted != Wanted::Any {
            blob.version = version;
        }
        (self.sink)(item.position, Some(blob))
    }

    /// Cuts what is to be read of a shard into requests.
    fn group(&self, number: u64, mut shard: OfShard<'_, S::Index>) -> Result<Vec<Group>> {
        let gap = self.store.inner().request_cost();
        let most = gap.saturating_mul(REQUEST_BYTES).max(LEAST_REQUEST);
        let file = self.store.file_of(number, shard.minishard);
        let group = |part| {
            let version = shard.minishard.version().map(str::to_owned);
            let wanted = version.clone().map_or(Wanted::Any, Wanted::Only);
            let get = Get { version: wanted, ..Get::new(file.clone(), part, u64::MAX) };
            let (ranges, joined) = (Vec::new(), Vec::new());
            Group { get, version, ranges, joined, pieces: Vec::new(), known: Vec::new() }
        };
        shard.pieces.sort_unstable_by_key(|piece| piece.ranges.first().map(|range| range.start));
        let mut groups: Vec<Group> = Vec::new();
        for piece in shard.pieces {
            let (start, end) = piece.span();
            let current = groups.last().and_then(Group::span);
            let is_near =
                current.is_some_and(|(first, last)| start <= last.saturating_add(gap) && end - first <= most);
            if !is_near {
                groups.push(group(Part::Presence));
            }
            if let Some(group) = groups.last_mut() {
                group
                    .add(piece, gap)
                    .map_err(|error| error.during("reading").at(self.store.inner().location(&file)))?;
            }
        }
        groups.iter_mut().for_each(Group::finish);
        if !shard.known.is_empty() {
            if groups.is_empty() {
                groups.push(group(Part::Presence));
            }
            groups[0].known = shard.known;
        }
        Ok(groups)
    }

    /// Reads the groups, and returns the items of those whose shard is another by now.
    fn fetch(&self, groups: &[Group]) -> Result<Vec<Item>> {
        let gets: Vec<Get> = groups.iter().map(|group| group.get.clone()).collect();
        let changed: Vec<AtomicBool> = groups.iter().map(|_| AtomicBool::new(false)).collect();
        self.store.inner().get_many(&gets, &|k, blob| {
            let bytes = blob.map_or(Ok(None), |blob| parts(&blob));
            let located =
                |error: Error| error.during("reading").at(self.store.inner().location(&gets[k].key));
            match bytes.map_err(located)? {
                Some(bytes) => self.hand_over(&groups[k], bytes),
                None => {
                    changed[k].store(true, Ordering::Relaxed);
                    Ok(())
                }
            }
        })?;
        let changed = groups.iter().zip(changed).filter(|(_, changed)| changed.load(Ordering::Relaxed));
        let items = |group: &Group| {
            let known: Vec<Item> = group.known.iter().map(|(item, _)| *item).collect();
            group.pieces.iter().map(|piece| piece.item).chain(known).collect::<Vec<_>>()
        };
        Ok(changed.flat_map(|(group, _)| items(group)).collect())
    }

    /// Gives the sink each chunk of a group.
    fn hand_over(&self, group: &Group, bytes: &[u8]) -> Result<()> {
        for (item, is_there) in &group.known {
            self.answer(item, *is_there, group.version.as_deref())?;
        }
        for piece in &group.pieces {
            let part = |range: &Range<u64>| group.part(bytes, range);
            let give = |bytes: &[u8]| {
                let encoding = self.store.encoding();
                let blob = if piece.is_whole { Blob::whole(bytes, encoding) } else { Blob::parts(bytes) };
                self.give(&piece.item, blob, group.version.as_deref())
            };
            if let [range] = &piece.ranges[..] {
                give(part(range)?)?;
                continue;
            }
            with_scratch(|joined| {
                joined.clear();
                piece.ranges.iter().try_for_each(|range| {
                    joined.extend_from_slice(part(range)?);
                    Ok(())
                })?;
                give(joined)
            })?;
        }
        Ok(())
    }
}

impl<'a, I: Places> OfShard<'a, I> {
    fn new(minishard: &'a I) -> Self {
        Self { minishard, is_fresh: false, pieces: Vec::new(), known: Vec::new() }
    }

    /// Adds a chunk, as its index and its request say.
    fn add<S: Sharded>(&mut self, reader: &Reader<'_, S>, item: &Item, minishard: &I) -> Result<()> {
        let request = &reader.requests[item.position];
        let located = |error: Error| error.during("reading").at(reader.store.location(&request.key));
        let Some(chunk) = minishard.find(item.id) else {
            self.known.push((*item, false));
            return Ok(());
        };
        let length = chunk.end - chunk.start;
        if request.part == Part::Presence {
            self.known.push((*item, true));
            return Ok(());
        }
        if length > request.max_len {
            let most = request.max_len;
            let message = format!("{length} bytes, of at most {most} that it can have");
            return Err(located(Error::corrupt(message)));
        }
        let encoding = reader.store.encoding();
        let wanted = match encoding {
            ContentEncoding::Identity => request.part.of(length, encoding).map_err(located)?,
            _ => None,
        };
        let is_whole = wanted.is_none();
        let absolute = |range: &Range<u64>| chunk.start + range.start..chunk.start + range.end;
        let ranges: Vec<_> =
            wanted.map_or_else(|| vec![chunk.clone()], |ranges| ranges.iter().map(absolute).collect());
        match ranges.is_empty() {
            true => self.known.push((*item, true)),
            false => self.pieces.push(Piece { item: *item, ranges, is_whole }),
        }
        Ok(())
    }
}

impl Piece {
    fn span(&self) -> (u64, u64) {
        let ends = (self.ranges.first(), self.ranges.last());
        if let (Some(first), Some(last)) = ends { (first.start, last.end) } else { (0, 0) }
    }
}

impl Group {
    fn span(&self) -> Option<(u64, u64)> {
        Some((self.ranges.first()?.start, self.ranges.last()?.end))
    }

    /// Adds a piece behind those that are there.
    ///
    /// # Errors
    /// `CorruptData` if the chunks overlap.
    fn add(&mut self, piece: Piece, gap: u64) -> Result<()> {
        for range in &piece.ranges {
            match self.ranges.last_mut() {
                Some(last) if range.start < last.start => {
                    return Err(Error::corrupt(format!("chunk {} overlaps with another", piece.item.id)));
                }
                Some(last) if range.start <= last.end.saturating_add(gap) => {
                    last.end = last.end.max(range.end);
                }
                _ => self.ranges.push(range.clone()),
            }
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Makes the request, once all pieces are there.
    fn finish(&mut self) {
        let mut before = 0;
        self.joined = Vec::with_capacity(self.ranges.len());
        for range in &self.ranges {
            self.joined.push(before);
            before += range.end - range.start;
        }
        self.get.part = Part::Ranges { ranges: self.ranges.clone(), total: None };
    }

    /// The bytes of `range` among the joined bytes of the group.
    fn part<'b>(&self, bytes: &'b [u8], range: &Range<u64>) -> Result<&'b [u8]> {
        let at = self.ranges.partition_point(|read| read.end < range.end);
        let place = self.ranges.get(at).zip(self.joined.get(at)).and_then(|(read, joined)| {
            let start = usize::try_from(joined + range.start.checked_sub(read.start)?).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(range.end - range.start).ok()?)?)
        });
        place.ok_or_else(|| Error::corrupt(format!("only {} bytes of a shard", bytes.len())))
    }
}
