//! One of the layouts in which data are stored, and which of its chunks are looked at.

use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::grid::Projection;
use crate::chunk::layout::Layout;
use crate::jobs::verify::{Share, VerifyOptions};

/// One of the layouts in which the data are stored, and what of it is looked at.
pub(super) struct Copy<'a> {
    pub(super) layout: &'a Layout,
    pub(super) projection: Projection<'a>,
    /// The first place that is looked at along each axis, and the one after the last.
    pub(super) places: Dims<(u64, u64)>,
    /// Bytes of a whole chunk's elements.
    pub(super) chunk_bytes: u64,
    share: Option<Share>,
}

impl<'a> Copy<'a> {
    pub(super) fn new(layout: &'a Layout, options: &VerifyOptions<'_>) -> Result<Self> {
        let domain = layout.domain();
        let part = match options.part {
            None => domain.clone(),
            Some(part) => {
                part.expect_ndim(domain.ndim())?;
                part.intersect(domain)
            }
        };
        let places = (0..domain.ndim()).map(|axis| {
            let (range, chunk) = (part.range(axis), layout.grid.chunk_shape()[axis]);
            let from = |at: i64| at.abs_diff(domain.origin()[axis]);
            (from(range.start) / chunk, from(range.end).div_ceil(chunk))
        });
        Ok(Self {
            layout,
            places: places.collect(),
            projection: layout.grid.project(&part),
            share: options.share,
            chunk_bytes: layout.chunk_bytes(),
        })
    }

    /// An error if threads that each hold a chunk as it is stored, partly decoded and decoded need more.
    pub(super) fn expect_fits(&self, memory: u64) -> Result<()> {
        let needed = self.chunk_bytes.saturating_mul(3).saturating_mul(crate::run::pool::threads() as u64);
        if needed <= memory || self.projection.is_empty() {
            return Ok(());
        }
        let needed = needed.div_ceil(1 << 20);
        Err(Error::new(
            ErrorKind::MemoryBudget,
            format!(
                "decoding chunks needs {needed} MiB, the budget is {memory} bytes; raise it, or use fewer threads"
            ),
        ))
    }

    /// Whether the chunk is in the box that is looked at.
    pub(super) fn is_inside(&self, index: &[u64]) -> bool {
        index.iter().zip(&self.places).all(|(at, (start, end))| (start..end).contains(&at))
    }

    /// Whether the chunk is one that is looked at here.
    pub(super) fn wanted(&self, index: &[u64]) -> bool {
        self.is_inside(index) && self.shares(index)
    }

    /// Whether the chunk belongs to the share of the work that is done here.
    pub(super) fn shares(&self, index: &[u64]) -> bool {
        let block = || index.iter().zip(self.layout.write_shape()).map(|(at, long)| at / long.max(1));
        self.share.is_none_or(|share| share.has(block()))
    }
}
