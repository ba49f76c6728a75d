//! Precomputed layers as arrays: scales, copies, compressions, and what goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::format::{FormatOptions, ScaleSelector, remove};
use bigarrays::ndarray::{Array3, ArrayD, IxDyn, s};
use bigarrays::{Array, CreateSpec, DataType, Domain, ErrorKind, Index, OpenOptions};

fn spec(domain: &str, chunk: [u64; 3], encoding: &str) -> CreateSpec {
    let mut spec = CreateSpec::new(DataType::U8, domain.parse().unwrap());
    spec.storage.chunk_shape = Some(chunk.to_vec());
    spec.storage.encoding = Some(encoding.to_owned());
    spec.array.resolution = Some(vec![4.0, 4.0, 40.0]);
    spec
}

fn ramp(domain: &Domain) -> ArrayD<u8> {
    let shape: Vec<usize> = domain.shape().iter().map(|&n| n as usize).collect();
    ArrayD::from_shape_fn(IxDyn(&shape), |at| (at[0] * 7 + at[1] * 3 + at[2]) as u8 | 1)
}

/// A layer at `folder`, filled.
fn filled(folder: &Path, domain: &str, chunk: [u64; 3], encoding: &str) -> Array {
    let array = OpenOptions::new().create(folder.to_str().unwrap(), &spec(domain, chunk, encoding)).unwrap();
    array.write(array.domain().origin(), ramp(array.domain()).view()).unwrap();
    array
}

fn files(folder: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[test]
fn chunks_are_named_by_their_clipped_boxes() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), "-5:3,0:4,7:10", [4, 4, 2], "raw");
    let expected = ["-1-3_0-4_7-9", "-1-3_0-4_9-10", "-5--1_0-4_7-9", "-5--1_0-4_9-10"];
    assert_eq!(files(&folder.path().join("4_4_40")), expected);
    assert_eq!(std::fs::read(folder.path().join("4_4_40/-5--1_0-4_9-10")).unwrap().len(), 16);
}

#[test]
fn scales_are_added_found_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    filled(folder.path(), "0:8,0:8,0:8", [4, 4, 4], "raw");
    let mut coarse = spec("0:4,0:4,0:8", [4, 4, 4], "gzip");
    coarse.array.resolution = Some(vec![8.0, 8.0, 40.0]);
    let added = OpenOptions::new().add_scale(url, &coarse).unwrap();
    assert_eq!((added.scale(), added.shape()), (1, &[4, 4, 8][..]));
    added.write(&[0; 3], ramp(added.domain()).view()).unwrap();

    let open = |scale: ScaleSelector| OpenOptions::new().scale(scale).open(url);
    assert_eq!(open(1.into()).unwrap().shape(), [4, 4, 8]);
    assert_eq!(open("8_8_40".into()).unwrap().shape(), [4, 4, 8]);
    assert_eq!(open(vec![8.0, 8.0, 40.0].into()).unwrap().shape(), [4, 4, 8]);
    let error = open("16_16_40".into()).unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("8_8_40"), "{error}");
    assert_eq!(OpenOptions::new().add_scale(url, &coarse).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(OpenOptions::new().create(url, &coarse).unwrap_err().kind(), ErrorKind::AlreadyExists);

    std::fs::write(folder.path().join("8_8_40/notes.txt"), "not a chunk").unwrap();
    remove(url, Some(&"8_8_40".into()), &FormatOptions::default()).unwrap();
    assert_eq!(open(0.into()).unwrap().scales().len(), 1);
    assert_eq!(files(&folder.path().join("8_8_40")), ["notes.txt"]);
    assert!(remove(url, Some(&0.into()), &FormatOptions::default()).is_err(), "the only scale");
    remove(url, None, &FormatOptions::default()).unwrap();
    assert_eq!(open(0.into()).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn every_copy_in_other_chunks_is_kept_equal() {
    let folder = tempfile::tempdir().unwrap();
    let info = r#"{"type": "image", "data_type": "uint8", "num_channels": 1, "scales": [{"key": "a", "size": [9, 8, 7],
        "resolution": [1, 1, 1], "chunk_sizes": [[4, 4, 4], [9, 3, 2]], "encoding": "raw"}]}"#;
    std::fs::write(folder.path().join("info"), info).unwrap();
    let array = Array::open(folder.path().to_str().unwrap()).unwrap();
    array.write(&[0; 3], ramp(array.domain()).view()).unwrap();
    array.write(&[2, 2, 2], Array3::<u8>::from_elem((3, 3, 3), 200).view()).unwrap();
    let swapped = info.replace("[4, 4, 4], [9, 3, 2]", "[9, 3, 2], [4, 4, 4]");
    std::fs::write(folder.path().join("info"), swapped).unwrap();
    let other = Array::open(folder.path().to_str().unwrap()).unwrap();
    let whole = other.read::<u8>(other.domain()).unwrap();
    assert_eq!(whole, array.read::<u8>(array.domain()).unwrap());
    assert_eq!(whole.get(&[4, 4, 4]), Some(200));
}

#[test]
fn suffixes_are_read_kept_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let plain = filled(folder.path(), "0:4,0:4,0:4", [4, 4, 4], "raw");
    let expected = plain.read::<u8>(plain.domain()).unwrap();
    let chunks = folder.path().join("4_4_40");
    for (encoding, suffix) in [
        (ContentEncoding::Gzip, ".gz"),
        (ContentEncoding::Brotli, ".br"),
        (ContentEncoding::Zstd, ".zstd"),
        (ContentEncoding::Bz2, ".bz2"),
        (ContentEncoding::Xz, ".xz"),
    ] {
        let array = OpenOptions::new().content_encoding(encoding).open(url).unwrap();
        array.write(&[0; 3], expected.data().view()).unwrap();
        assert_eq!(files(&chunks), [format!("0-4_0-4_0-4{suffix}")]);
        // A change of a part keeps the compression that is there, whatever is asked of whole chunks.
        plain
            .write(&[1; 3], Array3::<u8>::from_elem((1, 1, 1), expected.get(&[1; 3]).unwrap()).view())
            .unwrap();
        assert_eq!(files(&chunks), [format!("0-4_0-4_0-4{suffix}")]);
        assert_eq!(plain.read::<u8>(plain.domain()).unwrap(), expected);
    }
}

#[test]
fn damaged_chunks_are_errors_that_name_the_file() {
    for encoding in ["raw", "gzip", "zstd", "blosclz", "jpeg", "png"] {
        let folder = tempfile::tempdir().unwrap();
        let array = filled(folder.path(), "0:8,0:8,0:8", [8, 8, 8], encoding);
        let chunk = folder.path().join("4_4_40/0-8_0-8_0-8");
        let bytes = std::fs::read(&chunk).unwrap();
        for damaged in [&bytes[..bytes.len() / 2], &bytes[..1], &[][..]] {
            std::fs::write(&chunk, damaged).unwrap();
            for part in ["0:8,0:8,0:8", "3:4,3:4,3:4"] {
                let error = array.read::<u8>(&part.parse().unwrap()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::CorruptData, "{encoding}");
                assert!(error.to_string().contains("0-8_0-8_0-8"), "{encoding}: {error}");
            }
            let error = array.write(&[0; 3], Array3::<u8>::zeros((2, 2, 2)).view()).unwrap_err();
            assert!(error.to_string().contains("0-8_0-8_0-8"), "{encoding}: {error}");
            assert_eq!(std::fs::read(&chunk).unwrap(), damaged, "a failed change touches nothing");
        }
        array.write(&[0; 3], ramp(array.domain()).view()).unwrap();
    }
}

#[test]
fn absurdly_large_chunks_are_refused_unread() {
    for encoding in ["raw", "gzip", "png"] {
        let folder = tempfile::tempdir().unwrap();
        let array = filled(folder.path(), "0:8,0:8,0:8", [8, 8, 8], encoding);
        let chunk = folder.path().join("4_4_40/0-8_0-8_0-8");
        std::fs::File::create(&chunk).unwrap().set_len(1 << 42).unwrap();
        for outcome in [
            array.read::<u8>(array.domain()).map(drop),
            array.get::<u8>(&[1, 2, 3]).map(drop),
            array.write(&[0; 3], Array3::<u8>::zeros((2, 2, 2)).view()),
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptData, "{encoding}");
            assert!(error.to_string().contains("0-8_0-8_0-8"), "{error}");
        }
    }
}

#[test]
fn unreadable_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let array = filled(folder.path(), "0:8,0:8,0:8", [8, 8, 8], "raw");
    let chunk = folder.path().join("4_4_40/0-8_0-8_0-8");
    std::fs::remove_file(&chunk).unwrap();
    assert_eq!(array.get::<u8>(&[1, 1, 1]).unwrap(), 0);
    std::fs::create_dir(&chunk).unwrap();
    let error = array.get::<u8>(&[1, 1, 1]).unwrap_err();
    assert!(error.to_string().contains("0-8_0-8_0-8"), "{error}");
}

#[test]
fn strict_reading_refuses_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let array = filled(folder.path(), "0:8,0:8,0:8", [4, 8, 8], "raw");
    let strict = OpenOptions::new().strict(true).open(folder.path().to_str().unwrap()).unwrap();
    assert!(strict.read::<u8>(strict.domain()).is_ok());
    let error = strict.read::<u8>(&"-1:8,0:8,0:8".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfBounds);
    std::fs::remove_file(folder.path().join("4_4_40/4-8_0-8_0-8")).unwrap();
    let stored = array.stored_chunks(array.domain()).unwrap();
    assert!(stored.missing().eq(["4:8,0:8,0:8".parse::<Domain>().unwrap()]));
    assert_eq!(strict.read::<u8>(strict.domain()).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(strict.read::<u8>(&"0:4,0:8,0:8".parse().unwrap()).is_ok());
}

#[test]
fn views_strides_and_orders() {
    let array = filled(tempfile::tempdir().unwrap().path(), "0:1,0:1,0:1", [1, 1, 1], "raw");
    assert_eq!(array.shape(), [1, 1, 1]);
    let url = "memory://views_strides_and_orders";
    let array = OpenOptions::new().create(url, &spec("-3:9,2:12,0:8", [5, 4, 3], "png")).unwrap();
    let data = ramp(array.domain());
    array.write(array.domain().origin(), data.view()).unwrap();
    let plane = array.slice(&[Index::ALL, Index::At(5), Index::ALL]).unwrap();
    assert_eq!(plane.dimension_names()[..], [Some("x"), Some("z")]);
    assert_eq!(plane.domain().to_string(), "-3:9,0:8");
    let read = plane.read::<u8>(plane.domain()).unwrap();
    assert_eq!(read.data().view().into_dimensionality().unwrap(), data.slice(s![.., 3, ..]));
    let every = Index::Slice { start: Some(8), stop: Some(-4), step: -3 };
    let strided = array.slice(&[every, Index::from(3..9), Index::At(0)]).unwrap();
    assert_eq!(strided.resolution().unwrap().size[..], [12.0, 4.0]);
    let read = strided.read::<u8>(strided.domain()).unwrap();
    assert_eq!(
        read.data().view().into_dimensionality().unwrap(),
        data.slice(s![2..;3, 1..7, 0]).slice(s![..;-1, ..])
    );
    // Writing through a permuted, strided view lands where reading says.
    let turned = strided.permute(&[1, 0]).unwrap();
    turned
        .write(turned.domain().origin(), bigarrays::ndarray::Array2::from_elem((6, 4), 99u8).view())
        .unwrap();
    assert!(strided.read::<u8>(strided.domain()).unwrap().data().iter().all(|&value| value == 99));
    assert_eq!(
        array.read::<u8>(array.domain()).unwrap().data().iter().filter(|&&value| value == 99).count(),
        24 + data.iter().filter(|&&value| value == 99).count()
            - data.slice(s![2..;3, 1..7, 0]).iter().filter(|&&value| value == 99).count()
    );
}

#[test]
fn urls_of_other_tools_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let array = filled(folder.path(), "0:4,0:4,0:4", [4, 4, 4], "raw");
    let url = format!("precomputed://file://{}", folder.path().display());
    let same = Array::open(&url).unwrap();
    assert_eq!(same.read::<u8>(same.domain()).unwrap(), array.read::<u8>(array.domain()).unwrap());
}

#[test]
fn misuse_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let array = filled(folder.path(), "0:8,0:8,0:8", [4, 4, 4], "raw");
    assert_eq!(array.read::<u16>(array.domain()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(array.get::<u8>(&[-1, 0, 0]).unwrap_err().kind(), ErrorKind::OutOfBounds);
    assert!(array.read::<u8>(&"0:8,0:8".parse().unwrap()).is_err());
    let outside = array.write(&[5, 5, 5], Array3::<u8>::zeros((4, 4, 4)).view()).unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::OutOfBounds);
    let read_only = OpenOptions::new().read_only(true).open(folder.path().to_str().unwrap()).unwrap();
    let refused = read_only.write(&[0; 3], Array3::<u8>::zeros((4, 4, 4)).view()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    assert!(Array::open("/nowhere/at/all").unwrap_err().to_string().contains("/nowhere/at/all"));
    for (encoding, dtype) in [
        ("jpeg", DataType::U16),
        ("compressed_segmentation", DataType::U8),
        ("png", DataType::F32),
        ("crackle", DataType::U8),
        ("jxl", DataType::U8),
        ("compresso", DataType::U64),
    ] {
        let mut spec = spec("0:8,0:8,0:8", [4, 4, 4], encoding);
        spec.array.dtype = dtype;
        let error =
            OpenOptions::new().create(folder.path().join(encoding).to_str().unwrap(), &spec).unwrap_err();
        assert!(error.to_string().contains(encoding), "{error}");
        assert!(!folder.path().join(encoding).join("info").exists());
    }
}

/// Changes the `info` of a layer.
fn edited(folder: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = folder.join("info");
    let mut info = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut info);
    std::fs::write(path, info.to_string()).unwrap();
}

#[test]
fn a_bad_scale_hides_no_good_one_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let array = filled(folder.path(), "0:4,0:4,0:4", [4, 4, 4], "raw");
    let expected = array.read::<u8>(array.domain()).unwrap();
    edited(folder.path(), |info| {
        let mut bad = info["scales"][0].clone();
        (bad["key"], bad["chunk_sizes"]) = ("bad".into(), serde_json::json!([]));
        info["scales"].as_array_mut().unwrap().push(bad);
    });
    let array = Array::open(url).unwrap();
    assert_eq!(array.read::<u8>(array.domain()).unwrap(), expected);
    let error = OpenOptions::new().scale("bad").open(url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMetadata);
    assert!(error.to_string().contains("scales[1].chunk_sizes"), "{error}");
    // What the bad scale has is not known, so the layer cannot be removed without leaving some of it.
    assert!(remove(url, None, &FormatOptions::default()).is_err());
    assert!(folder.path().join("info").exists());
}

#[test]
fn what_readers_tolerate_is_read_and_noted() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let array = filled(folder.path(), "0:4,0:4,0:4", [4, 4, 4], "raw");
    let expected = array.read::<u8>(array.domain()).unwrap();
    edited(folder.path(), |info| {
        info["type"] = "IMAGE".into();
        info["scales"][0]["encoding"] = "RAW".into();
        info["scales"][0]["compressed_segmentation_block_size"] = serde_json::json!([8, 8, 8]);
    });
    let array = Array::open(url).unwrap();
    assert_eq!(array.read::<u8>(array.domain()).unwrap(), expected);
    assert_eq!(array.notes().len(), 3, "{:?}", array.notes());
    let report = bigarrays::jobs::verify(&array, &Default::default()).unwrap();
    assert!(report.is_whole() && report.notes.count == 3, "{report}");
}

#[test]
fn a_layer_that_is_elsewhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    filled(folder.path(), "0:4,0:4,0:4", [4, 4, 4], "raw");
    for (member, value, named) in [
        ("redirect", serde_json::json!("gs://bucket/layer"), "gs://bucket/layer"),
        ("data_dir", serde_json::json!("gs://bucket/ws"), "gs://bucket/ws"),
        ("app", serde_json::json!({"supported_api_versions": [0, 1]}), "graphene"),
    ] {
        edited(folder.path(), |info| info[member] = value);
        let error = Array::open(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(member) && error.to_string().contains(named), "{error}");
        edited(folder.path(), |info| drop(info.as_object_mut().unwrap().remove(member)));
    }
    // CloudVolume has layers that lead to themselves.
    edited(folder.path(), |info| info["redirect"] = format!("precomputed://file://{url}/").into());
    assert!(Array::open(url).is_ok());
}

/// As neuroglancer-scripts stores chunks: `x/y/z.gz` in folders.
fn nested(folder: &Path, chunks: &Path) {
    for name in files(chunks) {
        let to = folder.join(name.replace('_', "/"));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        let gzip = ContentEncoding::Gzip.codec().unwrap();
        gzip.encode(&std::fs::read(chunks.join(name)).unwrap(), &mut bytes).unwrap();
        std::fs::write(to.with_extension("gz"), bytes).unwrap();
    }
}

#[test]
fn chunks_in_folders_are_read_written_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let array = filled(folder.path(), "-3:9,-3:5,0:4", [4, 4, 4], "raw");
    let expected = array.read::<u8>(array.domain()).unwrap();
    let (chunks, flat) = (folder.path().join("4_4_40"), folder.path().join("flat"));
    std::fs::rename(&chunks, &flat).unwrap();
    nested(&chunks, &flat);
    let array = Array::open(url).unwrap();
    assert_eq!(array.read::<u8>(array.domain()).unwrap(), expected);
    let report = bigarrays::jobs::verify(&array, &Default::default()).unwrap();
    assert!(report.is_whole() && report.stored == 6 && report.strangers.count == 0, "{report}");
    array.write(&[0, 0, 0], Array3::<u8>::from_elem((1, 1, 1), 77).view()).unwrap();
    assert_eq!(files(&chunks), ["-3-1", "1-5", "5-9"]);
    assert_eq!(Array::open(url).unwrap().get::<u8>(&[0, 0, 0]).unwrap(), 77);
    // Both at once: which of two chunks is meant, nobody can tell.
    std::fs::copy(flat.join("-3-1_-3-1_0-4"), chunks.join("-3-1_-3-1_0-4")).unwrap();
    let error = Array::open(url).unwrap_err();
    assert!(error.kind() == ErrorKind::CorruptData && error.to_string().contains("-3-1_-3-1_0-4"), "{error}");
    std::fs::remove_file(chunks.join("-3-1_-3-1_0-4")).unwrap();
    std::fs::remove_dir_all(&flat).unwrap();
    remove(url, None, &FormatOptions::default()).unwrap();
    assert!(!folder.path().exists() || files(folder.path()).is_empty());
}

#[test]
fn chunks_under_names_that_nobody_looks_for_are_problems() {
    for name in ["0-4_0-4_0-4.lz4", "0-4/0-4/0-4"] {
        let array =
            OpenOptions::new().create("memory://hidden", &spec("0:8,0:4,0:4", [4, 4, 4], "raw")).unwrap();
        array.write(&[4, 0, 0], Array3::<u8>::ones((4, 4, 4)).view()).unwrap();
        array.store().write(name, b"something").unwrap();
        // Beside the chunk itself it is only a stranger.
        array.store().write("4-8_0-4_0-4.old", b"x").unwrap();
        let report = bigarrays::jobs::verify(&array, &Default::default()).unwrap();
        assert_eq!(report.problems.count, 1, "{report}");
        let problem = &report.problems.first[0];
        assert!(problem.key.as_ref().unwrap().ends_with(name), "{report}");
        assert_eq!(problem.domain, Some("0:4,0:4,0:4".parse().unwrap()));
        remove("memory://hidden", None, &FormatOptions::default()).unwrap();
        [name, "4-8_0-4_0-4.old"].iter().for_each(|name| array.store().delete(name).unwrap());
    }
}
