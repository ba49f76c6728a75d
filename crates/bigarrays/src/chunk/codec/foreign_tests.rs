//! Memory that others may change is read once by every pipeline; codecs of others are not relied on.

use std::sync::Arc;

use super::*;
use crate::base::buffer::tests::foreign;
use crate::base::buffer::{FOREIGN_BYTES_COPIED, Order, Region, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;

/// A codec that is not of this crate: it does nothing, and says nothing about it.
#[derive(Debug)]
struct Idle;

impl ArrayCodec for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn config(&self) -> Config {
        Config::new("idle")
    }

    fn check(&self, _: &ChunkSpec) -> Result<()> {
        Ok(())
    }

    /// Needs unchanging memory.
    fn encode(&self, chunk: &View<'_>, _: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let dense = [Order::C, Order::Fortran].iter().find_map(|&order| chunk.as_dense(order));
        out.extend_from_slice(dense.ok_or_else(|| Error::invalid("memory that may change"))?);
        Ok(())
    }

    fn decode(&self, _: &[u8], _: &ChunkSpec, _: &Region, _: &mut ViewMut<'_>) -> Result<()> {
        Ok(())
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        spec.byte_len().unwrap_or(0)
    }
}

impl BytesCodec for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn config(&self) -> Config {
        Config::new("idle")
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn decode(&self, _: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        out.clear();
        Ok(max_len)
    }

    fn decode_exact(&self, _: &[u8], _: &mut [u8]) -> Result<()> {
        Ok(())
    }
}

fn array_codecs() -> Vec<(DataType, Arc<dyn ArrayCodec>)> {
    use DataType::{Bool, F32, U8, U16, U32, U64};
    let raw = |order| Arc::new(Raw::new(order)) as Arc<dyn ArrayCodec>;
    let segmentation = || Arc::new(CompressedSegmentation::new([8, 8, 8]).unwrap());
    let pcodec = Pcodec::new(8, PcodecMode::Auto, PcodecDelta::Auto, 1 << 18).unwrap();
    let transpose = |inner| Arc::new(Transpose::new(&[2, 0, 1], inner).unwrap());
    vec![
        (U8, raw(Order::C)),
        (U16, raw(Order::Fortran)),
        (Bool, raw(Order::C)),
        (U32, Arc::new(Raw::with_endianness(Order::C, true))),
        (U8, Arc::new(Jpeg::new(75).unwrap())),
        (U8, Arc::new(Png::new(1).unwrap())),
        (U16, Arc::new(Png::new(6).unwrap())),
        (U32, segmentation()),
        (U64, segmentation()),
        (U8, transpose(raw(Order::C))),
        (U32, transpose(segmentation())),
        (F32, Arc::new(Bitround::new(4, raw(Order::C)))),
        (F32, Arc::new(Bitround::new(23, raw(Order::C)))),
        (U16, Arc::new(FixedScaleOffset::new(1.0, 2.0, U8, raw(Order::C)).unwrap())),
        (Bool, Arc::new(PackBits::new(PackBitsPadding::None, None, None))),
        (U16, Arc::new(pcodec)),
        (U8, Arc::new(Idle)),
    ]
}

fn bytes_codecs() -> Vec<Arc<dyn BytesCodec>> {
    let mut codecs: Vec<Arc<dyn BytesCodec>> = vec![
        Arc::new(Zstd::DEFAULT),
        Arc::new(Brotli::DEFAULT),
        Arc::new(Zlib::new(1).unwrap()),
        Arc::new(Bz2::new(1).unwrap()),
        Arc::new(Lz4::new(1 << 16).unwrap()),
        Arc::new(Idle),
    ];
    codecs.extend([0, 1, 6, 9, 12].map(|level| Arc::new(Gzip::new(level).unwrap()) as Arc<dyn BytesCodec>));
    codecs.extend(BloscCompressor::ALL.map(|compressor| {
        Arc::new(Blosc::new(4, 5).unwrap().with(compressor, BloscShuffle::Bytes, 0)) as Arc<dyn BytesCodec>
    }));
    codecs
}

/// What each pipeline makes of a chunk in foreign memory is what it makes of any other; and it has copied each
/// byte of it once, which is all that can be done with it.
#[test]
fn every_pipeline_reads_foreign_memory_once() {
    let mut pipelines: Vec<(DataType, CodecPipeline)> = Vec::new();
    for (dtype, array) in array_codecs() {
        pipelines.push((dtype, CodecPipeline::new(Arc::clone(&array), Vec::new())));
        pipelines.push((dtype, CodecPipeline::new(array, vec![Arc::new(Gzip::DEFAULT)])));
    }
    for codec in bytes_codecs() {
        for order in [Order::C, Order::Fortran] {
            pipelines.push((
                DataType::U8,
                CodecPipeline::new(Arc::new(Raw::new(order)), vec![Arc::clone(&codec)]),
            ));
        }
    }
    for (dtype, pipeline) in pipelines {
        let spec = ChunkSpec { dtype, shape: Dims::from_slice(&[20, 17, 9]) };
        let item = dtype.size();
        let bytes: Vec<u8> = (0..spec.byte_len().unwrap()).map(|i| u8::from(i % (7 * item) == 0)).collect();
        for order in [Order::C, Order::Fortran] {
            let (mut expected, mut encoded) = (Vec::new(), Vec::new());
            let view = View::dense(&bytes, &spec.shape, item, order).unwrap();
            pipeline.encode(&view, &spec, &mut expected).unwrap();
            FOREIGN_BYTES_COPIED.set(0);
            pipeline.encode(&foreign(&bytes, &spec.shape, item, order), &spec, &mut encoded).unwrap();
            let what: Vec<&str> = pipeline.names().collect();
            assert_eq!(FOREIGN_BYTES_COPIED.get(), bytes.len(), "{what:?} of {dtype}");
            assert_eq!(encoded, expected, "{what:?} of {dtype}");
        }
    }
}

/// What others decode is initialised before, also where a decoder works in place, and not believed.
#[test]
fn what_others_do_not_write_is_zero() {
    let raw = || Arc::new(Raw::new(Order::C)) as Arc<dyn ArrayCodec>;
    let transposed = Transpose::new(&[0], Arc::new(Idle)).unwrap();
    let spec = ChunkSpec { dtype: DataType::U16, shape: Dims::from_slice(&[4]) };
    let decode = |pipeline: CodecPipeline, bytes: &[u8]| {
        let mut out = [7; 8];
        let mut view = ViewMut::dense(&mut out, &[4], 2, Order::C).unwrap();
        pipeline.decode(bytes, &spec, &Region::whole(&[4]), &mut view).map(|()| out)
    };
    for pipeline in [
        CodecPipeline::new(Arc::new(Idle), Vec::new()),
        CodecPipeline::new(Arc::new(transposed), Vec::new()),
        CodecPipeline::new(raw(), vec![Arc::new(Idle)]),
    ] {
        assert_eq!(decode(pipeline.clone(), &[1]).unwrap(), [0; 8], "{pipeline:?}");
        let mut out = [7; 8];
        let mut view = ViewMut::dense(&mut out, &[4], 2, Order::C).unwrap();
        drop(pipeline.decode_ranges(&[1], &spec, &Region::whole(&[4]), &mut view));
        assert_eq!(out, [0; 8]);
    }
    let lies = CodecPipeline::new(raw(), vec![Arc::new(Zstd::DEFAULT), Arc::new(Idle)]);
    assert!(decode(lies, &[1]).is_err(), "a length of more than there is");
    assert_eq!(decode(CodecPipeline::new(raw(), Vec::new()), &[1; 8]).unwrap(), [1; 8]);
}

/// What is not a part of the chunk, or does not fit the output, is refused before C code sees it.
#[test]
fn regions_and_outputs_that_do_not_fit_are_refused() {
    let one = |value| Dims::from_slice(&[value; 3]);
    let region = |start, count, step| Region { start: one(start), count: one(count), step: one(step) };
    for (dtype, codec) in array_codecs() {
        let spec = ChunkSpec { dtype, shape: one(8) };
        let item = dtype.size();
        let bytes = vec![1; 512 * item];
        let mut encoded = Vec::new();
        let pipeline = CodecPipeline::new(codec, Vec::new());
        pipeline
            .encode(&View::dense(&bytes, &spec.shape, item, Order::C).unwrap(), &spec, &mut encoded)
            .unwrap();
        let small = View::dense(&bytes[..item], &[1, 1, 1], item, Order::C).unwrap();
        assert!(pipeline.encode(&small, &spec, &mut Vec::new()).is_err());
        let mut out = vec![0; 512 * item];
        for (shape, region) in [
            ([8, 8, 8], region(usize::MAX - 6, 8, 1)),
            ([8, 8, 8], region(1, 8, 1)),
            ([2, 2, 2], region(4, 2, usize::MAX - 3)),
            ([2, 2, 2], region(0, 2, 0)),
            ([1, 1, 1], region(0, 8, 1)),
            ([8, 8, 4], region(0, 8, 1)),
        ] {
            let length = shape.iter().product::<usize>() * item;
            let mut view = ViewMut::dense(&mut out[..length], &shape, item, Order::Fortran).unwrap();
            let names: Vec<_> = pipeline.names().collect();
            assert!(pipeline.decode(&encoded, &spec, &region, &mut view).is_err(), "{names:?} {region:?}");
        }
        let mut view = ViewMut::dense(&mut out, &[8, 8, 8 * item], 1, Order::Fortran).unwrap();
        let whole = Region::whole(&[8, 8, 8]);
        assert_eq!(pipeline.decode(&encoded, &spec, &whole, &mut view).is_err(), item > 1);
    }
}

/// Bytes that are no booleans are made some before they are stored.
#[test]
fn booleans_are_zero_or_one() {
    let spec = ChunkSpec { dtype: DataType::Bool, shape: Dims::from_slice(&[4]) };
    for codecs in [Vec::new(), vec![Arc::new(Zstd::DEFAULT) as Arc<dyn BytesCodec>]] {
        let pipeline = CodecPipeline::new(Arc::new(Raw::new(Order::C)), codecs);
        for view in [
            View::dense(&[0, 1, 2, 255], &[4], 1, Order::C).unwrap(),
            foreign(&[0, 1, 2, 255], &[4], 1, Order::C),
        ] {
            let (mut encoded, mut out) = (Vec::new(), [9; 4]);
            pipeline.encode(&view, &spec, &mut encoded).unwrap();
            let mut target = ViewMut::dense(&mut out, &[4], 1, Order::C).unwrap();
            pipeline.decode(&encoded, &spec, &Region::whole(&[4]), &mut target).unwrap();
            assert_eq!(out, [0, 1, 1, 1]);
            assert!(pipeline.names().count() > 1 || encoded == [0, 1, 1, 1]);
        }
    }
}
