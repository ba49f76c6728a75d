//! Pipelines: an array codec, and bytes codecs behind it.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::buffer::{Order, Region, View, ViewMut, make_boolean, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::array_codec::expect_elements;
use crate::chunk::codec::bytes_codec::{encode_in_place, expect_len, overlong};
use crate::chunk::codec::{
    ArrayCodec, Asked, BytesCodec, ChunkSpec, EncodedRanges, Points, Work, expect_output,
};
use crate::chunk::config::{Config, Parameter};

/// How a chunk becomes bytes: an array codec, then bytes codecs in the order of encoding.
#[derive(Clone, Debug)]
pub struct CodecPipeline {
    array: Arc<dyn ArrayCodec>,
    bytes: Vec<Arc<dyn BytesCodec>>,
    other_length: Option<Arc<dyn BytesCodec>>,
}

impl CodecPipeline {
    /// A pipeline of `array` and then each of `bytes`.
    pub fn new(array: Arc<dyn ArrayCodec>, bytes: Vec<Arc<dyn BytesCodec>>) -> Self {
        Self { array, bytes, other_length: None }
    }

    /// Passes chunks that are not exactly as long as their elements through `codec` when they are read:
    /// for layers of `raw` elements that some writer compressed.
    #[must_use]
    pub fn or_through(mut self, codec: Arc<dyn BytesCodec>) -> Self {
        self.other_length = Some(codec);
        self
    }

    /// The pipeline with what `wrap` makes of its array codec.
    pub(crate) fn wrapped(
        self,
        wrap: impl FnOnce(Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>>,
    ) -> Result<Self> {
        Ok(Self { array: wrap(self.array)?, ..self })
    }

    /// The codec that turns elements into bytes.
    pub fn array(&self) -> &dyn ArrayCodec {
        &*self.array
    }

    /// The names of all codecs, in the order of encoding.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.array.name()).chain(self.bytes.iter().map(|codec| codec.name()))
    }

    /// Whether chunks are to the bit what was written.
    pub fn is_lossless(&self) -> bool {
        self.array.is_lossless()
    }

    /// The configurations of all codecs, in the order of encoding.
    pub fn configs(&self) -> impl Iterator<Item = Config> + '_ {
        std::iter::once(self.array.config()).chain(self.bytes.iter().map(|codec| codec.config()))
    }

    /// The configuration of the pipeline. Pipelines with equal ones encode alike, and read what each other encodes.
    pub fn config(&self) -> Config {
        let other = self.other_length.as_ref().map(|codec| codec.config());
        Config::new("pipeline").with("codecs", self.configs().collect::<Parameter>()).with_unless(
            None,
            "other_length",
            other,
        )
    }

    /// Whether chunks of the given kind can be held; an error says why not.
    pub fn check(&self, spec: &ChunkSpec) -> Result<()> {
        self.array.check(spec)
    }

    /// Replaces `out` with the encoded chunk.
    ///
    /// Of [foreign](View::is_foreign) memory, codecs get a copy: they read some bytes more than once, and rely
    /// on it that these stay the same.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` if the chunk is not one of `spec`, or cannot be represented.
    pub fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        expect_elements(chunk.shape(), chunk.item(), &spec.shape, spec)?;
        let is_boolean = || chunk.all_runs(|bytes| bytes.iter().all(|&byte| byte <= 1));
        let copies = match spec.dtype {
            DataType::Bool => chunk.is_foreign() || !is_boolean(),
            _ => chunk.is_foreign() && !self.array.reads_once(),
        };
        if !copies {
            return self.encode_unchanging(chunk, spec, out);
        }
        let (order, item) = (chunk.nearest_order(), chunk.item());
        with_scratch(|scratch| {
            let copy = try_first_bytes(scratch, spec.byte_len()?)?;
            ViewMut::dense(copy, &spec.shape, item, order)?.copy_from(chunk);
            if spec.dtype == DataType::Bool {
                make_boolean(copy);
            }
            self.encode_unchanging(&View::dense(copy, &spec.shape, item, order)?, spec, out)
        })
    }

    /// Encodes what nobody changes, or what the array codec reads once.
    fn encode_unchanging(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let plain = self.array.plain(spec.dtype).and_then(|order| chunk.as_dense(order));
        let rest = match (plain, self.bytes.split_first()) {
            (Some(elements), Some((first, rest))) => {
                first.encode(elements, out)?;
                rest
            }
            _ => {
                self.array.encode(chunk, spec, out)?;
                &self.bytes
            }
        };
        rest.iter().try_for_each(|codec| encode_in_place(&**codec, out))
    }

    /// Decodes the elements of `region` into `out`, whose shape is `region.count`. After success all of them
    /// were written, whatever the codecs do.
    ///
    /// # Errors
    /// `CorruptData` if `bytes` are not a chunk of `spec`; `InvalidArgument` if there is no such region, or if
    /// `out` is of another shape or item size.
    pub fn decode(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        expect_output(spec, region, out)?;
        self.initialise(spec, out);
        match &self.other_length {
            Some(codec) if bytes.len() != spec.byte_len()? => {
                self.decode_through(std::slice::from_ref(codec), bytes, spec, region, out)
            }
            _ => self.decode_through(&self.bytes, bytes, spec, region, out),
        }
    }

    /// Decodes a whole chunk that is nothing but elements, and that `around` has encoded, straight to where they are wanted. Returns
    /// whether it has: otherwise the chunk is another one, or damaged, and nothing is said of what was written.
    pub(crate) fn decode_plain(
        &self,
        around: &dyn BytesCodec,
        bytes: &[u8],
        (spec, region): (&ChunkSpec, &Region),
        out: &mut ViewMut<'_>,
    ) -> bool {
        if !around.writes_all(Asked(())) || !region.is_whole(&spec.shape) || out.item() != spec.dtype.size() {
            return false;
        }
        let elements = self.plain(spec.dtype).and_then(|order| out.as_dense_mut(order));
        elements.is_some_and(|elements| {
            spec.byte_len().is_ok_and(|length| length == elements.len())
                && around.decode_exact(bytes, elements).is_ok()
        })
    }

    /// As [`CodecPipeline::decode`], from just the bytes of [`CodecPipeline::ranges`], joined.
    ///
    /// # Errors
    /// As [`CodecPipeline::decode`].
    pub fn decode_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        expect_output(spec, region, out)?;
        self.initialise(spec, out);
        self.array.decode_ranges(bytes, spec, region, out)
    }

    /// Decodes the elements at `points` into `out`, one after the other; see [`ArrayCodec::decode_points`].
    ///
    /// # Errors
    /// As [`CodecPipeline::decode`].
    pub fn decode_points(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        order: Order,
        out: &mut [u8],
    ) -> Result<()> {
        expect_len(out.len(), points.len() * spec.dtype.size())?;
        let codecs = match &self.other_length {
            Some(codec) if bytes.len() != spec.byte_len()? => std::slice::from_ref(codec),
            _ => &self.bytes[..],
        };
        self.with_decoded(codecs, bytes, spec, &mut |bytes| {
            self.array.decode_points(bytes, spec, points, order, out)
        })
    }

    /// How much memory one thread works in, about, besides a chunk of `len` bytes and what is encoded of it.
    pub(crate) fn working_bytes(&self, work: Work, len: u64) -> u64 {
        let own = self.bytes.iter().map(|codec| codec.working_bytes(work, len));
        let most = own.chain([self.array.working_bytes(work, len)]).max().unwrap_or(0);
        // What goes from one codec to the next.
        let between = self.bytes.len().saturating_sub(1) as u64;
        most.saturating_add(len.saturating_mul(between))
    }

    /// Lends `take` what `codecs` decode.
    fn with_decoded(
        &self,
        codecs: &[Arc<dyn BytesCodec>],
        bytes: &[u8],
        spec: &ChunkSpec,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some((last, inner)) = codecs.split_last() else { return take(bytes) };
        with_scratch(|decoded| {
            let length = last.decode(bytes, self.max_len_before(inner, spec), decoded)?;
            let decoded = decoded.get(..length).ok_or_else(|| overlong(last.name()))?;
            self.with_decoded(inner, decoded, spec, take)
        })
    }

    /// As [`CodecPipeline::decode_points`], from just the bytes of [`CodecPipeline::point_ranges`], joined. The points
    /// must be in the order of their elements in the chunk.
    ///
    /// # Errors
    /// As [`CodecPipeline::decode`].
    pub fn decode_point_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        out: &mut [u8],
    ) -> Result<()> {
        let item = spec.dtype.size();
        expect_len(out.len(), points.len() * item)?;
        let (mut elements, mut before) = (bytes.chunks_exact(item), None);
        let mut element = &bytes[..0];
        for (point, to) in points.iter().zip(out.chunks_exact_mut(item)) {
            if before.replace(point) != Some(point) {
                element = elements.next().ok_or_else(|| Error::corrupt("fewer bytes than were asked for"))?;
            }
            to.copy_from_slice(element);
        }
        self.array.decode_picked(spec, out);
        Ok(())
    }

    /// The parts of the encoded chunk that hold the elements at `points`, where it is nothing but elements, and where
    /// reading these is cheaper than reading all.
    pub fn point_ranges(&self, spec: &ChunkSpec, points: &Points<'_>) -> Option<EncodedRanges> {
        if self.bytes.is_empty() { self.array.point_ranges(spec, points) } else { None }
    }

    /// Makes zeros of what is decoded into, unless all codecs promise to write all of it.
    fn initialise(&self, spec: &ChunkSpec, out: &mut ViewMut<'_>) {
        let mut codecs = self.bytes.iter().chain(&self.other_length);
        if !self.array.writes_all(Asked(())) || codecs.any(|codec| !codec.writes_all(Asked(()))) {
            out.fill(&SmallVec::<[u8; 16]>::from_elem(0, spec.dtype.size()));
        }
    }

    fn decode_through(
        &self,
        codecs: &[Arc<dyn BytesCodec>],
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        let Some((last, inner)) = codecs.split_last() else {
            return self.array.decode(bytes, spec, region, out);
        };
        if inner.is_empty()
            && region.is_whole(&spec.shape)
            && let Some(order) = self.array.plain(spec.dtype)
            && let Some(elements) = out.as_dense_mut(order)
        {
            // The memory may be the caller's, and others may change it meanwhile. Decoders that take what they
            // repeat from there check where that is, and not what it is: it costs values or a checksum.
            return last.decode_exact(bytes, elements);
        }
        self.undo(codecs, bytes, spec, &mut |decoded| self.array.decode(decoded, spec, region, out))
    }

    /// Lends the bytes that the array codec makes of elements, which `bytes` are the encoding of.
    ///
    /// # Errors
    /// `CorruptData` if they are not; those of `use_it`.
    pub(crate) fn with_elements(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        use_it: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.undo(&self.bytes, bytes, spec, use_it)
    }

    fn undo(
        &self,
        codecs: &[Arc<dyn BytesCodec>],
        bytes: &[u8],
        spec: &ChunkSpec,
        use_it: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some((last, inner)) = codecs.split_last() else { return use_it(bytes) };
        with_scratch(|decoded| {
            let length = last.decode(bytes, self.max_len_before(inner, spec), decoded)?;
            self.undo(inner, decoded.get(..length).ok_or_else(|| overlong(last.name()))?, spec, use_it)
        })
    }

    fn max_len_before(&self, codecs: &[Arc<dyn BytesCodec>], spec: &ChunkSpec) -> usize {
        codecs.iter().fold(self.array.max_encoded_len(spec), |length, codec| codec.max_encoded_len(length))
    }

    /// The largest number of bytes that a valid encoding can have.
    pub fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.max_len_before(&self.bytes, spec)
    }

    /// The order in which the encoded chunk, or what [`CodecPipeline::ranges`] of it holds `region`, is the elements of
    /// `region` one after the other, ready for use, if it has as many bytes as these.
    pub(crate) fn plain(&self, dtype: DataType) -> Option<Order> {
        if self.bytes.is_empty() { self.array.plain(dtype) } else { None }
    }

    /// The parts of the encoded chunk that hold `region`, where its layout is known beforehand.
    pub fn ranges(&self, spec: &ChunkSpec, region: &Region) -> Option<EncodedRanges> {
        if self.bytes.is_empty() { self.array.ranges(spec, region) } else { None }
    }
}

impl fmt::Display for CodecPipeline {
    /// The codecs with their parameters, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, config) in self.configs().enumerate() {
            write!(f, "{}{config}", if at == 0 { "" } else { " + " })?;
        }
        Ok(())
    }
}
