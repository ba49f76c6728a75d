//! Configurations: equal ones encode alike, and each parameter is in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::base::buffer::{Order, Region, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::dtype::DataType::{self, Bool, F32, F64, I8, U8, U16, U32, U64};
use crate::base::error::ErrorKind;
use crate::chunk::config::Config;

type Array = Arc<dyn ArrayCodec>;
type Bytes = Arc<dyn BytesCodec>;

/// Codecs of elements that differ from each other in one parameter at least, and a type that they hold.
pub(super) fn arrays() -> Vec<(DataType, Array)> {
    let raw = |order, big| Arc::new(Raw::with_endianness(order, big)) as Array;
    let plain = || raw(Order::C, false);
    let pcodec = |level, mode, delta, page| Arc::new(Pcodec::new(level, mode, delta, page).unwrap()) as Array;
    let usual = |mode, delta| pcodec(8, mode, delta, 1 << 18);
    let pack = |padding, first, last| Arc::new(PackBits::new(padding, first, last)) as Array;
    let scale = |offset, scale, stored, inner| {
        Arc::new(FixedScaleOffset::new(offset, scale, stored, inner).unwrap()) as Array
    };
    let transpose = |axes: &[usize], inner| Arc::new(Transpose::new(axes, inner).unwrap()) as Array;
    let round = |keep, inner| Arc::new(Bitround::new(keep, inner)) as Array;
    let segmentation = |block| Arc::new(CompressedSegmentation::new(block).unwrap()) as Array;
    vec![
        (U16, plain()),
        (U16, raw(Order::Fortran, false)),
        (U16, raw(Order::C, true)),
        (U8, Arc::new(Jpeg::new(75).unwrap())),
        (U8, Arc::new(Jpeg::new(76).unwrap())),
        (U16, Arc::new(Png::new(1).unwrap())),
        (U16, Arc::new(Png::new(2).unwrap())),
        (U8, Arc::new(Jxl)),
        (U64, Arc::new(Compresso)),
        (U32, segmentation([8, 8, 8])),
        (U32, segmentation([8, 8, 4])),
        (U32, segmentation([4, 8, 8])),
        (U16, transpose(&[2, 0, 1], plain())),
        (U16, transpose(&[0, 2, 1], plain())),
        (U16, transpose(&[2, 0, 1], raw(Order::C, true))),
        (F32, round(4, plain())),
        (F32, round(5, plain())),
        (F32, round(4, raw(Order::C, true))),
        (U16, scale(1.0, 2.0, U8, plain())),
        (U16, scale(1.5, 2.0, U8, plain())),
        (U16, scale(1.0, 2.5, U8, plain())),
        (U16, scale(1.0, 2.0, U16, plain())),
        (U16, scale(1.0, 2.0, U8, raw(Order::Fortran, false))),
        (U16, Arc::new(Delta::new(U16, plain()).unwrap())),
        (U16, Arc::new(Delta::new(I8, plain()).unwrap())),
        (U16, Arc::new(AsType::new(U8, plain()).unwrap())),
        (U16, Arc::new(AsType::new(F32, plain()).unwrap())),
        (F32, Arc::new(Quantize::new(1, F32, plain()).unwrap())),
        (F32, Arc::new(Quantize::new(2, F32, plain()).unwrap())),
        (F32, Arc::new(Quantize::new(1, F64, plain()).unwrap())),
        (DataType::LongText, Arc::new(Vlen::TEXT)),
        (DataType::LongBytes, Arc::new(Vlen::BYTES)),
        (Bool, pack(PackBitsPadding::None, None, None)),
        (Bool, pack(PackBitsPadding::FirstByte, None, None)),
        (Bool, pack(PackBitsPadding::LastByte, None, None)),
        (U8, pack(PackBitsPadding::None, Some(1), None)),
        (U8, pack(PackBitsPadding::None, None, Some(6))),
        (Bool, Arc::new(PackBits::numcodecs())),
        (U16, usual(PcodecMode::Auto, PcodecDelta::Auto)),
        (U16, usual(PcodecMode::Classic, PcodecDelta::Auto)),
        (U16, usual(PcodecMode::Auto, PcodecDelta::None)),
        (U16, usual(PcodecMode::Auto, PcodecDelta::Lookback)),
        (U16, usual(PcodecMode::Auto, PcodecDelta::Consecutive(0))),
        (U16, usual(PcodecMode::Auto, PcodecDelta::Consecutive(1))),
        (U16, pcodec(9, PcodecMode::Auto, PcodecDelta::Auto, 1 << 18)),
        (U16, pcodec(8, PcodecMode::Auto, PcodecDelta::Auto, 1 << 10)),
    ]
}

fn lzma(container: LzmaContainer, options: &[(&'static str, u64)]) -> Bytes {
    let filters =
        if options.is_empty() { Vec::new() } else { vec![LzmaFilter::new("lzma2", options).unwrap()] };
    Arc::new(Lzma::new(container, 6, filters).unwrap())
}

/// Codecs of bytes that differ from each other in one parameter at least.
pub(super) fn bytes() -> Vec<Bytes> {
    let mut codecs: Vec<Bytes> = vec![
        Arc::new(Gzip::DEFAULT),
        Arc::new(Gzip::new(7).unwrap()),
        Arc::new(Gzip::DEFAULT.or_plain()),
        Arc::new(Zstd::DEFAULT),
        Arc::new(Zstd::new(-3).unwrap()),
        Arc::new(Zstd::DEFAULT.with_checksum(true)),
        Arc::new(Zstd::DEFAULT.or_plain()),
        Arc::new(Brotli::DEFAULT),
        Arc::new(Brotli::new(4).unwrap()),
        Arc::new(Zlib::new(1).unwrap()),
        Arc::new(Zlib::new(2).unwrap()),
        Arc::new(Bz2::new(1).unwrap()),
        Arc::new(Bz2::new(2).unwrap()),
        Arc::new(Xz::new(6).unwrap()),
        Arc::new(Xz::new(5).unwrap()),
        Arc::new(Lz4::new(1 << 16).unwrap()),
        Arc::new(Lz4::new(1 << 10).unwrap()),
        Arc::new(Lz4::plain()),
        Arc::new(Lz4::sized()),
        Arc::new(Xz::new(6).unwrap().with_check(XzCheck::None)),
        lzma(LzmaContainer::Alone, &[]),
        lzma(LzmaContainer::Raw, &[("preset", 1)]),
        lzma(LzmaContainer::Raw, &[("preset", 2)]),
        lzma(LzmaContainer::Xz, &[("preset", 1)]),
        Arc::new(Shuffle::new(4).unwrap()),
        Arc::new(Shuffle::new(2).unwrap()),
    ];
    let blosc = |size, level| Blosc::new(size, level).unwrap();
    let kinds = [BloscShuffle::None, BloscShuffle::Bytes, BloscShuffle::Bits];
    let shuffled = |kind| blosc(4, 5).with(BloscCompressor::Lz4, kind, 0);
    codecs.extend(kinds.map(|kind| Arc::new(shuffled(kind)) as Bytes));
    let others = BloscCompressor::ALL.into_iter().filter(|&other| other != BloscCompressor::Lz4);
    codecs.extend(others.map(|other| Arc::new(blosc(4, 5).with(other, BloscShuffle::Bytes, 0)) as Bytes));
    codecs.push(Arc::new(blosc(2, 5)));
    codecs.push(Arc::new(blosc(4, 6)));
    codecs.push(Arc::new(blosc(4, 5).with(BloscCompressor::Lz4, BloscShuffle::Bytes, 1024)));
    use ChecksumKind::{Adler32, Crc32, Crc32c, Fletcher32};
    for kind in [Crc32c, Crc32, Adler32, Fletcher32] {
        codecs.extend([true, false].map(|at_start| Arc::new(Checksum::new(kind, at_start)) as Bytes));
    }
    codecs
}

/// Samples that each codec holds, of its type: smooth ones that are images, labels and booleans alike.
fn sample(dtype: DataType) -> (ChunkSpec, Vec<u8>) {
    let spec = ChunkSpec { dtype, shape: Dims::from_slice(&[12, 10, 8]) };
    let bytes = (0..spec.byte_len().unwrap()).map(|at| u8::from(at % (7 * dtype.size()) == 0)).collect();
    (spec, bytes)
}

/// A chunk as `codec` encodes it, if it can.
fn encoded(codec: &dyn ArrayCodec, dtype: DataType) -> Option<Vec<u8>> {
    let ((spec, bytes), mut out) = (sample(dtype), Vec::new());
    let view = View::dense(&bytes, &spec.shape, dtype.size(), Order::C).unwrap();
    match codec.encode(&view, &spec, &mut out) {
        Err(error) if error.kind() == ErrorKind::Unsupported => None,
        done => done.map(|()| Some(out)).unwrap(),
    }
}

fn decoded(codec: &dyn ArrayCodec, dtype: DataType, bytes: &[u8]) -> Vec<u8> {
    let (spec, elements) = sample(dtype);
    let mut out = vec![0; elements.len()];
    let mut view = ViewMut::dense(&mut out, &spec.shape, dtype.size(), Order::C).unwrap();
    codec.decode(bytes, &spec, &Region::whole(&spec.shape), &mut view).unwrap();
    out
}

#[test]
fn equal_configurations_encode_alike_and_read_each_other() {
    for ((dtype, one), (_, other)) in arrays().into_iter().zip(arrays()) {
        assert_eq!(one.config(), other.config());
        assert_eq!(one.config().name(), one.name());
        let Some(bytes) = encoded(&*one, dtype) else { continue };
        assert_eq!(encoded(&*other, dtype).unwrap(), bytes, "{}", one.config());
        assert_eq!(decoded(&*other, dtype, &bytes), decoded(&*one, dtype, &bytes), "{}", one.config());
    }
    let plain = sample(U32).1;
    for (one, other) in bytes().into_iter().zip(bytes()) {
        assert_eq!((one.config(), one.config().name()), (other.config(), one.name()));
        let (mut first, mut second, mut out) = (Vec::new(), Vec::new(), Vec::new());
        one.encode(&plain, &mut first).unwrap();
        other.encode(&plain, &mut second).unwrap();
        assert_eq!(first, second, "{}", one.config());
        let length = other.decode(&first, plain.len(), &mut out).unwrap();
        assert_eq!(out[..length], plain, "{}", one.config());
    }
}

#[test]
fn every_parameter_is_in_the_configuration() {
    let mut configs: Vec<Config> = arrays().iter().map(|(_, codec)| codec.config()).collect();
    configs.extend(bytes().iter().map(|codec| codec.config()));
    for (at, config) in configs.iter().enumerate() {
        for other in &configs[..at] {
            assert_ne!(config, other);
            assert_ne!(config.key(), other.key());
        }
    }
    let names: BTreeSet<&str> = configs.iter().map(Config::name).collect();
    let table: BTreeSet<&str> = BUILTIN.iter().map(|info| info.name).collect();
    assert_eq!(names, table, "a sample of every codec of the table");
}

#[test]
fn keys_of_pipelines_are_as_journals_have_them() {
    let raw = Arc::new(Raw::new(Order::Fortran));
    let blosc = Blosc::new(2, 5).unwrap().with(BloscCompressor::Zstd, BloscShuffle::Bits, 0);
    let pipeline = CodecPipeline::new(
        Arc::new(Bitround::new(7, Arc::new(Transpose::new(&[1, 0], raw).unwrap()))),
        vec![Arc::new(blosc), Arc::new(Checksum::new(ChecksumKind::Crc32c, false))],
    );
    assert_eq!(
        pipeline.config().key(),
        "1 {\"name\":\"pipeline\",\"configuration\":{\"codecs\":[{\"name\":\"bitround\",\"configuration\":\
         {\"keep\":7,\"inner\":{\"name\":\"transpose\",\"configuration\":{\"axes\":[1,0],\"inner\":{\"name\":\
         \"raw\",\"configuration\":{\"order\":\"F\",\"endian\":\"little\"}}}}}},{\"name\":\"blosc\",\
         \"configuration\":{\"compressor\":\"zstd\",\"level\":5,\"shuffle\":\"bitshuffle\",\"typesize\":2,\
         \"block\":0}},{\"name\":\"crc32c\",\"configuration\":{\"location\":\"end\"}}]}}"
    );
    assert_eq!(
        CodecPipeline::new(Arc::new(Raw::new(Order::C)), vec![Arc::new(Zstd::DEFAULT)]).to_string(),
        "raw(order C, endian little) + zstd(level 3)"
    );
    let through = pipeline.clone().or_through(Arc::new(Gzip::DEFAULT));
    assert_ne!(through.config(), pipeline.config());
}
