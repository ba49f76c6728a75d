//! Chunks that are passed on as they are stored: those of encodings that the viewer reads, where they are its tiles.

use bigarrays::Array;
use bigarrays::base::buffer::Order;
use serde_json::{Map, Value, json};

use crate::axes::Axes;
use crate::volume::Volume;

/// An encoding that the viewer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// JPEG of the elements in a picture as wide as the chunk.
    Jpeg,
    /// Labels, in blocks of this shape.
    CompressedSegmentation([u64; 3]),
}

impl Passed {
    /// How all chunks of an array are passed on; `None` if they are to be decoded.
    pub(crate) fn of(volume: &Volume, axes: &Axes) -> Option<Self> {
        let Volume::Stored(array) = volume else { return None };
        let layout = array.layout();
        let is_in_order = axes.shown == [Some(0), Some(1), Some(2)]
            && axes.channel == (array.ndim() == 4).then_some(3)
            && axes.others.is_empty()
            && layout.order == Order::Fortran;
        // What is not stored is zero to the viewer.
        let is_zero = layout.fill.as_bytes().iter().all(|&byte| byte == 0);
        let is_whole = array.domain().shape() == layout.domain().shape() && array.has_encoded_chunks();
        if !(is_in_order && is_zero && is_whole && has_all_channels(array)) {
            return None;
        }
        let names: Vec<&str> = layout.codecs.names().collect();
        match names[..] {
            ["jpeg"] => Some(Self::Jpeg),
            ["compressed_segmentation"] => match layout.codecs.array().config().get("block")?.to_json() {
                Value::Array(block) => {
                    let block: Vec<u64> = block.iter().filter_map(Value::as_u64).collect();
                    block.try_into().ok().map(Self::CompressedSegmentation)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What metadata of a scale say of it.
    pub(crate) fn describe(self, scale: &mut Map<String, Value>) {
        match self {
            Self::Jpeg => drop(scale.insert("encoding".into(), "jpeg".into())),
            Self::CompressedSegmentation(block) => {
                scale.insert("encoding".into(), "compressed_segmentation".into());
                scale.insert("compressed_segmentation_block_size".into(), json!(block));
            }
        }
    }
}

/// Whether a chunk has all channels.
fn has_all_channels(array: &Array) -> bool {
    array.chunk_shape().get(3).is_none_or(|chunk| *chunk >= array.shape()[3])
}
