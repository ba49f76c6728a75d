//! Arrays: a layout, a store and a view of the domain.

mod blank;
mod chunk_set;
mod chunks;
mod complete;
mod cutout;
mod decode;
mod encoded;
mod lent;
mod like;
mod long;
mod options;
mod outer;
mod placed;
mod points;
mod read;
mod resize;
mod scales;
mod stored;
mod transform;
mod view;
mod write;

pub(crate) use blank::Blank;
pub use chunk_set::ChunkSet;
pub(crate) use chunk_set::Listed;
pub use cutout::Cutout;
pub(crate) use decode::decode_all;
pub(crate) use lent::Lent;
pub use long::LongElements;
pub use options::OpenOptions;
pub use outer::Coordinates;
pub use points::OutsidePoints;
pub use stored::{ArrayOptions, Outside};
pub use transform::{AxisMap, Index, Transform};
pub use view::Array;
pub(crate) use view::canonical;
pub(crate) use write::Encoded;
