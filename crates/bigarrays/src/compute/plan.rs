//! Plans as data: the passes of expressions, how each is cut into blocks, and what they take.

use serde_json::{Value, json};

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::compute::blocks::Blocks;
use crate::compute::cuts::Cuts;
use crate::compute::frame::Frame;
use crate::compute::program::TILE;
use crate::compute::way::Way;

/// Elements of reduced axes behind the first that are folded before those of the next index of the first.
pub(crate) const PLANE: u64 = 1 << 20;

/// The most segments of elements in groups, and the most cells that all of them have of one place, if that are not those of one.
const SEGMENTS: u64 = 64;
const CELLS: u64 = 1 << 22;

/// Elements along reduced axes that are folded one after the other; and along a single one beside which there are places, each of which
/// has a cell of each segment.
const SEGMENT: u64 = 1 << 22;
const LONG: u64 = 1 << 16;

/// How an expression is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The passes over the data, in their order.
    pub(crate) passes: Vec<Pass>,
    /// The budget in bytes.
    pub memory: u64,
    /// Bytes held at once, at most.
    pub peak_memory: u64,
    /// Bytes of files, in the scratch folder, of results that later passes read; zero if these are held in memory.
    pub scratch: u64,
    /// What is said of why it is done so.
    pub(crate) notes: Vec<String>,
    /// The way that the passes are of, if not the direct one.
    pub(crate) way: Option<Way>,
    /// Boxes of the result, if the passes are those of one after the other.
    pub(crate) boxes: Option<HeldBoxes>,
}

/// Boxes of results, in an order in which they can be made, each of inputs that it holds in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldBoxes {
    /// The numbers of the results of which each box has a part.
    pub(crate) numbers: Vec<usize>,
    /// How many passes, the last ones of the plan, fold elements of one box after the other.
    pub(crate) carried: usize,
    /// Where each result lies in what the boxes are of.
    pub(crate) frame: Frame,
    pub(crate) boxes: Vec<Domain>,
    /// Where they begin along each axis, and how long they are.
    pub(crate) lengths: Dims<(i64, u64)>,
    /// Bytes of the inputs of the largest of them.
    pub(crate) bytes: u64,
    /// Bytes of results in memory that are not of the first of them, and of what is carried from one to the next.
    pub(crate) beside: u64,
    /// What all of them read of each input.
    pub(crate) reads: Vec<Flow>,
}

/// How a pass is cut into blocks, and what they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// What is computed.
    pub(crate) text: String,
    /// The numbers of its results.
    pub(crate) numbers: Vec<usize>,
    pub(crate) blocks: Blocks,
    pub(crate) order: Order,
    /// How elements are folded, if they are.
    pub(crate) folding: Option<Folding>,
    /// Segments of the first reduced axis that a task folds.
    pub(crate) run: u64,
    /// Blocks under way at once.
    pub(crate) in_flight: usize,
    /// Whether nothing is behind a network.
    pub(crate) is_near: bool,
    /// Chunks of stored arrays that are read, and their bytes, decoded.
    pub(crate) chunks_read: u64,
    pub(crate) bytes_read: u64,
    /// Of each input that is stored, what is read, and what is read of it if each chunk is read once.
    pub(crate) inputs: Vec<InputRead>,
    /// Bytes of the elements that the pass is of, and of one of them.
    pub(crate) bytes: u64,
    pub(crate) item: u64,
    pub(crate) terms: Terms,
    /// What it reads of each input, and writes of each result.
    pub(crate) reads: Vec<Flow>,
    pub(crate) writes: Vec<Flow>,
    /// How many loops there are over its elements.
    pub(crate) loops: u64,
    /// Whether some blocks write to the same chunk or shard of a result.
    pub(crate) is_shared: bool,
}

/// Elements on their way from a store or to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// The names of the codecs that they go through.
    pub(crate) codecs: Vec<&'static str>,
    pub(crate) is_sharded: bool,
    /// Chunks that are read, or chunks or shards that are written.
    pub(crate) count: u64,
    /// Their bytes, decoded.
    pub(crate) bytes: u64,
}

/// What a pass reads of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputRead {
    /// Where the array is, and what it is called; `None` if nothing of it is stored but what earlier passes have made.
    pub(crate) name: Option<(String, String)>,
    /// Decoded bytes that all blocks read, and those of all chunks.
    pub(crate) bytes: u64,
    pub(crate) once: u64,
}

/// What of a pass has to be kept for its tasks to be the same in a later run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The numbers of its results.
    pub(crate) numbers: Vec<usize>,
    /// Where each axis is cut: an origin and a distance.
    pub(crate) cuts: Dims<(i64, u64)>,
    /// Segments of the first reduced axis that a task folds.
    pub(crate) run: u64,
}

/// What of a plan has to be kept for its blocks to be the same in a later run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) has_scratch: bool,
    /// How many blocks are noted once all is done.
    pub(crate) blocks: u64,
    pub(crate) passes: Vec<Cut>,
    /// The way that the passes are of, if not the direct one.
    pub(crate) way: Option<Way>,
    /// Boxes of the result: where they begin along each axis, and how long they are. Each plans its own passes.
    pub(crate) boxes: Option<Dims<(i64, u64)>>,
}

impl Recorded {
    pub(crate) fn to_json(&self) -> Value {
        let pass = |pass: &Cut| json!([pass.numbers, &pass.cuts[..], pass.run]);
        let passes: Vec<Value> = self.passes.iter().map(pass).collect();
        let mut whole = json!({ "scratch": self.has_scratch, "blocks": self.blocks, "passes": passes });
        if let Some(way) = self.way {
            whole["way"] = way.to_json();
        }
        if let Some(boxes) = &self.boxes {
            whole["boxes"] = json!(&boxes[..]);
        }
        whole
    }

    pub(crate) fn of_json(whole: &Value) -> Option<Self> {
        let numbers = |value: &Value| {
            value.as_array()?.iter().map(|number| Some(number.as_u64()? as usize)).collect::<Option<Vec<_>>>()
        };
        let positive = |value: Option<&Value>| value?.as_u64().filter(|&number| number > 0);
        let cut = |value: &Value| Some((value.get(0)?.as_i64()?, positive(value.get(1))?));
        let pass = |value: &Value| {
            let cuts = value.get(1)?.as_array()?.iter().map(cut).collect::<Option<Dims<_>>>()?;
            Some(Cut { numbers: numbers(value.get(0)?)?, cuts, run: positive(value.get(2))? })
        };
        let passes = whole.get("passes")?.as_array()?.iter().map(pass).collect::<Option<Vec<_>>>()?;
        let blocks = whole.get("blocks")?.as_u64()?;
        let way = whole.get("way").map_or(Some(None), |way| Way::of_json(way).map(Some))?;
        let boxes = |boxes: &Value| boxes.as_array()?.iter().map(cut).collect::<Option<Dims<_>>>().map(Some);
        let boxes = whole.get("boxes").map_or(Some(None), boxes)?;
        Some(Self { has_scratch: whole.get("scratch")?.as_bool()?, blocks, passes, way, boxes })
    }
}

/// What takes the memory of a pass, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Results of this pass and of earlier ones.
    pub(crate) results: u64,
    /// Blocks of inputs and results under way.
    pub(crate) blocks: u64,
    /// What blocks have of inputs beside their own elements, as windows do.
    pub(crate) halo: u64,
    /// Chunks that are decoded or encoded.
    pub(crate) decoding: u64,
    /// Tiles of all threads.
    pub(crate) tiles: u64,
    /// Versions of the chunks that are read.
    pub(crate) versions: u64,
    /// Cells of labels, of which it is not known how many there are: the most that they may take.
    pub(crate) labels: u64,
}

impl Terms {
    pub(crate) fn all(self) -> u64 {
        let terms =
            [self.results, self.blocks, self.halo, self.decoding, self.tiles, self.versions, self.labels];
        terms.into_iter().fold(0, u64::saturating_add)
    }
}

/// In which order elements along reduced axes are folded. It follows from where they lie alone, so that results are the
/// same bits however blocks are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folding {
    /// The axes, ascending.
    pub(crate) axes: Dims<usize>,
    /// Pieces along each of them, of which each is folded on its own.
    pub(crate) segments: Dims<Cuts>,
}

/// How many elements there are along some axes.
fn domain_len(domain: &Domain, axes: &[usize]) -> u64 {
    axes.iter().map(|&axis| domain.shape()[axis]).fold(1, u64::saturating_mul)
}

impl Folding {
    pub(crate) fn new(domain: &Domain, axes: &[usize], groups: Option<u64>) -> Self {
        let mut lengths: Dims<u64> = Dims::from_elem(1, axes.len());
        let mut plane = 1u64;
        for (k, &axis) in axes.iter().enumerate().rev() {
            let length = domain.shape()[axis].max(1);
            let is_alone = axes.len() == 1 && axis + 1 < domain.ndim();
            let all = if is_alone {
                LONG
            } else if k == 0 {
                SEGMENT
            } else {
                PLANE
            };
            let mut most = (all / plane).max(1);
            if let Some(groups) = groups.filter(|_| k == 0) {
                // All segments have all groups.
                let behind = domain_len(domain, &axes[1..]).div_ceil(plane).max(1);
                let segments = (CELLS / groups.max(1)).clamp(1, SEGMENTS).div_ceil(behind);
                most = most.max(length.div_ceil(segments));
            }
            // Rows are folded in tiles.
            let least = if axis + 1 == domain.ndim() { TILE as u64 } else { 1 };
            let of = if length <= most { length } else { (1 << most.ilog2()).max(least).min(length) };
            lengths[k] = of;
            plane = plane.saturating_mul(of);
        }
        let cut = |(&axis, &length): (&usize, &u64)| {
            Cuts::over(domain.range(axis), (domain.origin()[axis], length))
        };
        Self { axes: axes.into(), segments: axes.iter().zip(&lengths).map(cut).collect() }
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> u64 {
        self.segments.iter().map(Cuts::len).fold(1, u64::saturating_mul)
    }
}

impl Plan {
    /// Bytes of the elements that all passes are of.
    pub fn bytes(&self) -> u64 {
        self.passes.iter().fold(0, |all, pass| all.saturating_add(pass.bytes))
    }

    /// What has to be kept of it.
    pub(crate) fn recorded(&self) -> Recorded {
        let pass = |pass: &Pass| Cut {
            numbers: pass.numbers.clone(),
            cuts: pass.blocks.cuts.iter().map(Cuts::grid).collect(),
            run: pass.run,
        };
        let kept = |pass: &Pass| {
            let is_kept =
                |axis: &usize| pass.folding.as_ref().is_none_or(|folding| !folding.axes.contains(axis));
            (0..pass.blocks.cuts.len())
                .filter(is_kept)
                .map(|axis| pass.blocks.cuts[axis].len())
                .product::<u64>()
        };
        if let Some(HeldBoxes { boxes, lengths, .. }) = &self.boxes {
            let (blocks, boxes) = (boxes.len() as u64, Some(lengths.clone()));
            return Recorded { has_scratch: false, blocks, passes: Vec::new(), way: None, boxes };
        }
        let blocks = self.passes.iter().map(kept).sum();
        let passes = self.passes.iter().map(pass).collect();
        Recorded { has_scratch: self.scratch > 0, blocks, passes, way: self.way, boxes: None }
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> u64 {
        self.passes.iter().map(|pass| pass.blocks.len()).fold(0, u64::saturating_add)
    }
}
