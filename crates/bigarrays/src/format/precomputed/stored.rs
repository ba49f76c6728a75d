//! A layer as it is stored: its `info`, and the chunks of its scales.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::info::Info;
use super::scale_info::ScaleInfo;
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::format::place::expect_no_chunks;
use crate::format::probe::Probe;
use crate::format::traits::Opened;
use crate::store::{Change, Get, LARGEST_METADATA, Part, Store, Update};

/// The key of the metadata of a layer.
pub(super) const INFO: &str = "info";

/// The `info` of a layer, if there is one.
///
/// # Errors
/// `InvalidMetadata`; `Unsupported` if it says that the chunks are elsewhere: those that are not here would read as zeros.
pub(super) fn read_info(probe: &Probe) -> Result<Option<Info>> {
    let Some(bytes) = probe.bytes(INFO)? else { return Ok(None) };
    let here = probe.store().location("");
    let info = Info::parse(&bytes).and_then(|info| match info.elsewhere() {
        Some((_, Some(place))) if bare(place) == bare(&here) => Ok(info),
        Some((member, Some(place))) => Err(Error::unsupported(format!(
            "its member {member:?} says that the data are at {place}; open the layer there"
        ))),
        Some((member, None)) => Err(Error::unsupported(format!(
            "its member {member:?} is that of a graph server (graphene), whose chunks are elsewhere"
        ))),
        None => Ok(info),
    });
    info.map(Some).map_err(|error| error.at(probe.store().location(INFO)))
}

/// A path or URL of a layer without what it may be written with and without.
fn bare(place: &str) -> &str {
    let place = place.trim().strip_prefix("precomputed://").unwrap_or(place.trim());
    place.strip_prefix("file://").unwrap_or(place).trim_end_matches('/')
}

/// Changes the stored `info` as `change` says of the one that is there: another, or none. Returns
/// what is stored then.
pub(super) fn change_info(
    store: &dyn Store,
    change: impl Fn(Option<Info>) -> Result<Option<Info>> + Sync,
) -> Result<Option<Info>> {
    let stored = Mutex::new(None);
    let request = Update { key: INFO.to_owned(), reads: true, max_len: LARGEST_METADATA as u64 };
    store.update_many(&[request], &|_, old, out| {
        let old = old.map(|blob| blob.encoding.with_decoded(blob.bytes, LARGEST_METADATA, Info::parse));
        let info = change(old.transpose()?)?;
        let mut stored = stored.locked();
        stored.clone_from(&info);
        Ok(match info {
            Some(info) => {
                out.extend_from_slice(&info.to_bytes());
                Change::Put(ContentEncoding::Identity)
            }
            None => Change::Delete,
        })
    })?;
    Ok(stored.into_value())
}

/// The compression around the chunks that are stored, if any of a few all over the volume is. In shards,
/// the metadata say what it is.
pub(super) fn stored_compression(opened: &Opened) -> Result<Option<ContentEncoding>> {
    const LOOKED: u64 = 9;
    let (layout, count) = (&opened.layout, opened.layout.grid.shape());
    if layout.sharding.is_some() || count.contains(&0) {
        return Ok(None);
    }
    let place = |k: u64| -> Dims<u64> {
        count
            .iter()
            .map(|count| (u128::from(count - 1) * u128::from(k) / u128::from(LOOKED - 1)) as u64)
            .collect()
    };
    let mut places: Vec<Dims<u64>> = (0..LOOKED).map(place).collect();
    places.dedup();
    // What has an encoding is sent whole, of the rest a byte.
    let look =
        |place: &Dims<u64>| Get::new(layout.chunk_key(place), Part::First(1), layout.max_stored_len(place));
    // Of the first of them, in whatever order they arrive.
    let found = Mutex::new(BTreeMap::new());
    let looked = opened.store.get_many(&places.iter().map(look).collect::<Vec<_>>(), &|position, blob| {
        let encoding = blob.map(|blob| blob.encoding);
        found.locked().insert(position, encoding);
        Ok(())
    });
    match looked {
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        // It is not known then; whoever reads chunks is told.
        _ => {
            let found = found.into_value();
            Ok(found.into_values().flatten().next())
        }
    }
}

/// An error if there are chunks or shards where those of a new scale will be, and the layer has no such scale yet:
/// of that, the change of `info` says so.
pub(super) fn expect_empty(store: &dyn Store, scale: &ScaleInfo) -> Result<()> {
    let empty = expect_no_chunks(&*store.child(&scale.key)?, "", |key| scale.has_key(key));
    empty.or_else(|error| match store.read_metadata(INFO)?.map(|bytes| Info::parse(&bytes)) {
        Some(Ok(info)) if info.valid_scales().any(|known| known.key == scale.key) => Ok(()),
        Some(Err(damaged)) => Err(damaged.at(store.location(INFO))),
        _ => Err(error),
    })
}

/// Deletes every chunk or shard of `scale`, and nothing else that may lie beside them. What lies outside the
/// layer, where a key leads there, may be another's, and stays.
pub(super) fn remove_chunks(store: &dyn Store, scale: &ScaleInfo) -> Result<()> {
    let parts: Vec<&str> = scale.key.split('/').collect();
    if parts.contains(&"..") {
        return Ok(());
    }
    let chunks = store.child(&scale.key)?;
    // A folder that is only linked from here is another's.
    if !chunks.unlink("")? {
        chunks.remove_where(|key| scale.has_key(key))?;
    }
    // Also the directories on the way to the scale, which may also be those of other scales.
    chunks.tidy("");
    let above = (1..parts.len()).rev().map(|count| store.child(&parts[..count].join("/")));
    above.for_each(|place| drop(place.map(|place| place.tidy(""))));
    Ok(())
}
