//! Plain files that other programs wrote, and what becomes of them when they are damaged.
//!
//! The files are made by `data/stacks/generate.py`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bigarrays::base::buffer::{Order, ViewMut};
use bigarrays::format::Opened;
use bigarrays::format::files::{npy, stack, tiff};
use bigarrays::store::{Get, Part};
use bigarrays::{Array, Error, ErrorKind, Result};
use proptest::prelude::*;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stacks").join(name)
}

fn open(path: &Path) -> Result<Opened> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => npy::open(path),
        Some("tif") => tiff::open(path),
        _ => stack::open(stack::find(path)?),
    }
}

/// All elements in C order.
fn read_all(Opened { layout, store, .. }: &Opened) -> Result<Vec<u8>> {
    let shape: Vec<usize> = layout.domain().shape().iter().map(|&length| length as usize).collect();
    let item = layout.dtype.size();
    let all = Mutex::new(vec![0; shape.iter().product::<usize>() * item]);
    let parts: Vec<_> = layout.grid.project(layout.domain()).iter().collect();
    let gets: Vec<_> =
        parts.iter().map(|part| Get::new(layout.chunk_key(&part.index), Part::Whole, u64::MAX)).collect();
    store.get_many(&gets, &|k, blob| {
        let mut all = all.lock().unwrap();
        let mut out = ViewMut::dense(&mut all, &shape, item, Order::C)?.region(&parts[k].in_output);
        let blob = blob.ok_or_else(|| Error::corrupt("missing"))?;
        layout.codecs.decode(blob.bytes, &layout.chunk_spec(&parts[k].index), &parts[k].in_chunk, &mut out)
    })?;
    Ok(all.into_inner().unwrap())
}

#[test]
fn files_of_other_programs_are_read() {
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data("expected.json")).unwrap()).unwrap();
    for (name, expected) in expected.as_object().unwrap() {
        let opened = open(&data(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let layout = &opened.layout;
        assert_eq!(&*layout.dtype.name(), expected["dtype"], "{name}");
        assert_eq!(serde_json::json!(layout.domain().shape()), expected["shape"], "{name}");
        assert_eq!(layout.axis_names.concat(), expected["axes"].as_str().unwrap(), "{name}");
        let bytes = read_all(&opened).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(u64::from(libdeflater::crc32(&bytes)), expected["crc32"], "{name}");
        let resolution = layout.resolution.as_ref().map(|found| &found.size[..]);
        let wanted: Option<Vec<f64>> = serde_json::from_value(expected["resolution"].clone()).unwrap();
        assert_eq!(resolution, wanted.as_deref(), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let error = open(&data("odd-page.tif")).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("page 2"), "{error}");
    let error = stack::open(vec![data("palette.png")]).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("palette"), "{error}");
    let error = stack::open(vec![data("deflate-u1.tif")]).unwrap_err();
    assert!(error.to_string().contains("a slice of 3 pages"), "{error}");
}

/// Damage is an error or gives other elements; it is never a panic.
fn survives(name: &str, bytes: &[u8]) {
    if name.ends_with(".tif")
        && let Ok(opened) = tiff::open_bytes(bytes.to_vec(), name)
        && opened.layout.domain().checked_len().is_ok_and(|length| length < 1 << 24)
    {
        let _ = read_all(&opened);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, bytes).unwrap();
    let opened = if name.ends_with(".npy") { npy::open(&path) } else { stack::open(vec![path]) };
    if let Ok(opened) = opened
        && opened.layout.domain().checked_len().is_ok_and(|length| length < 1 << 24)
    {
        let _ = read_all(&opened);
    }
}

const DAMAGED: [&str; 14] = [
    "fortran-i2-big.npy",
    "big-endian-lzw.tif",
    "bigtiff-tiles.tif",
    "float-predictor.tif",
    "bilevel.tif",
    "white-is-zero.tif",
    "planar.tif",
    "rgba.tif",
    "imagej.tif",
    "group4.tif",
    "png-gray16/slice2.png",
    "png-bits/slice2.png",
    "tiff-slices/slice2.tif",
    "jpeg/slice2.jpg",
];

#[test]
fn files_cut_short_are_errors() {
    for name in DAMAGED {
        let bytes = std::fs::read(data(name)).unwrap();
        for part in [0, 3, 10, bytes.len() / 2, bytes.len() - 40] {
            survives(name, &bytes[..part]);
        }
    }
    let bytes = std::fs::read(data("png-gray16/slice2.png")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.png");
    std::fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    let error = read_all(&stack::open(vec![path]).unwrap()).unwrap_err();
    assert!(error.kind() == ErrorKind::CorruptData && error.key().unwrap().ends_with("a.png"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_are_survived(
        file in 0..DAMAGED.len(),
        flips in prop::collection::vec((any::<usize>(), 0u8..8, any::<bool>()), 1..4),
    ) {
        let mut bytes = std::fs::read(data(DAMAGED[file])).unwrap();
        for (at, bit, in_header) in flips {
            let reach = if in_header { bytes.len().min(400) } else { bytes.len() };
            bytes[at % reach] ^= 1 << bit;
        }
        survives(DAMAGED[file], &bytes);
    }
}

/// A TIFF file of `count` pages of 4 × 3 bytes that say which page it is. The first carries a description; tags of
/// numbers are added to all, or replace those there are.
fn tiff_of(count: u32, description: &[u8], tags: &[(u16, u32)]) -> Vec<u8> {
    const SIZE: u32 = 12;
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    let mut text = description.to_vec();
    text.extend([0; 5]);
    let entries = |page: u32, data: u32, text_at: u32| {
        let mut entries = std::collections::BTreeMap::from([
            (256, (4, 1, 4)),
            (257, (4, 1, 3)),
            (258, (3, 1, 8)),
            (259, (3, 1, 1)),
            (262, (3, 1, 1)),
            (273, (4, 1, data + page * SIZE)),
            (277, (3, 1, 1)),
            (278, (4, 1, 3)),
            (279, (4, 1, SIZE)),
        ]);
        if page == 0 {
            entries.insert(270, (2, text.len() as u32, text_at));
        }
        entries.extend(tags.iter().map(|&(tag, value)| (tag, (4, 1, value))));
        entries
    };
    let lengths: Vec<u32> = (0..count).map(|page| entries(page, 0, 0).len() as u32 * 12 + 6).collect();
    let text_at = 8 + lengths.iter().sum::<u32>();
    let data = text_at + text.len() as u32;
    for page in 0..count {
        let entries = entries(page, data, text_at);
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, (kind, length, value)) in entries {
            bytes.extend([tag, kind as u16].iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend([length, value].iter().flat_map(|number: &u32| number.to_le_bytes()));
        }
        let next = bytes.len() as u32 + 4;
        bytes.extend(if page + 1 < count { next } else { 0 }.to_le_bytes());
    }
    bytes.extend(&text);
    bytes.extend((0..count).flat_map(|page| vec![page as u8; SIZE as usize]));
    bytes
}

/// The axes of a file, with the pages in their order.
fn axes_of(bytes: Vec<u8>) -> Result<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tif");
    std::fs::write(&path, bytes).unwrap();
    let array = Array::open(path.to_str().unwrap())?;
    let named = array.layout().axis_names.iter().zip(array.shape());
    let axes = named.map(|(name, length)| format!("{name}{length}")).collect();
    let elements = array.read::<u8>(array.domain())?;
    Ok((axes, elements.data().iter().copied().step_by(12).collect()))
}

fn ome(pixels: &str, inside: &str) -> String {
    format!(
        "<?xml version='1.0'?><OME UUID='urn:uuid:1'><Image><Pixels {pixels} SizeX='4' SizeY='3'>{inside}</Pixels>\
         </Image></OME>"
    )
}

#[test]
fn pages_are_the_planes_that_ome_xml_says() {
    let pixels = "DimensionOrder='XYZCT' SizeZ='2' SizeC='3' SizeT='1'";
    let read = |inside: &str| axes_of(tiff_of(6, ome(pixels, inside).as_bytes(), &[]));
    for inside in [
        "",
        "<TiffData/>",
        "<TiffData IFD='0' PlaneCount='6'/>",
        "<TiffData PlaneCount='6'><UUID FileName='x.tif'>urn:uuid:1</UUID></TiffData>",
    ] {
        assert_eq!(read(inside).unwrap(), ("c3z2y3x4".into(), (0..6).collect()), "{inside}");
    }
    let each = |page: &dyn Fn(u32) -> (u32, u32, u32)| -> String {
        let data = (0..6)
            .map(page)
            .map(|(page, z, c)| format!("<TiffData IFD='{page}' FirstZ='{z}' FirstC='{c}' PlaneCount='1'/>"));
        data.collect()
    };
    // Channels are fastest in the file, whatever the order of dimensions says.
    assert_eq!(
        read(&each(&|page| (page, page / 3, page % 3))).unwrap(),
        ("c3z2y3x4".into(), vec![0, 3, 1, 4, 2, 5])
    );
    let refused = [
        ("<TiffData IFD='0' PlaneCount='5'/>", "no page of some planes"),
        ("<TiffData IFD='1' PlaneCount='6'/>", "page that there is not"),
        ("<TiffData IFD='0'/><TiffData IFD='1'/>", "two pages of one plane"),
        ("<TiffData IFD='0' FirstZ='2'/>", "plane outside"),
        ("<TiffData><UUID FileName='other.tif'>urn:uuid:2</UUID></TiffData>", "other.tif"),
        ("<TiffData IFD='-1'/>", "IFD"),
    ];
    for (inside, named) in refused {
        let error = read(inside).unwrap_err();
        assert!(
            error.to_string().contains(named) && error.to_string().contains("OME-XML"),
            "{inside}: {error}"
        );
    }
    // Of a file that says of no identifier, its name does.
    let nameless = |file: &str| {
        let run = format!("<TiffData PlaneCount='6'><UUID FileName='{file}'>urn:uuid:2</UUID></TiffData>");
        let text = ome(pixels, &run).replace(" UUID='urn:uuid:1'", "");
        axes_of(tiff_of(6, text.as_bytes(), &[])).map(|read| read.0)
    };
    assert_eq!(nameless("x.tif").unwrap(), "c3z2y3x4");
    assert!(nameless("other.tif").unwrap_err().to_string().contains("other.tif"));
    let twice = each(&|page| (if page < 2 { 0 } else { page }, page / 3, page % 3));
    assert!(read(&twice).unwrap_err().to_string().contains("one page for two planes"));
}

#[test]
fn ome_xml_of_something_else_is_refused_by_name() {
    let text = |pixels: &str| ome(pixels, "<TiffData/>");
    let one = "DimensionOrder='XYZCT' SizeZ='2' SizeC='3' SizeT='1'";
    let two = text(one).replace("</OME>", "<Image><Pixels/></Image></OME>");
    let cases = [
        (two, "2 images"),
        (text("DimensionOrder='XYZCT' SizeZ='9' SizeC='3' SizeT='1'"), "27 planes"),
        (text("DimensionOrder='XYZCC' SizeZ='9' SizeC='3' SizeT='1'"), "DimensionOrder"),
        (text("DimensionOrder='XYZCT' SizeZ='0' SizeC='3' SizeT='1'"), "SizeZ"),
        (text(one).replace("SizeX='4'", "SizeX='5'"), "5 × 3"),
        (text(one).replace("</OME>", ""), "OME-XML is not valid"),
        ("<OME><BinaryOnly MetadataFile='set.companion.ome'/></OME>".to_owned(), "set.companion.ome"),
        ("<OME></OME>".to_owned(), "no image"),
    ];
    for (description, named) in cases {
        let error = axes_of(tiff_of(6, description.as_bytes(), &[])).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
    // XML of others says nothing of planes.
    assert_eq!(axes_of(tiff_of(2, b"<MetaData><Pixels SizeZ='9'/></MetaData>", &[])).unwrap().0, "z2y3x4");
}

#[test]
fn pages_whose_samples_are_not_what_they_seem_are_refused() {
    for (tag, value, named) in
        [(266, 2, "FillOrder"), (32997, 2, "ImageDepth"), (273, 0, "not stored"), (279, 0, "not stored")]
    {
        let error = axes_of(tiff_of(2, b"", &[(tag, value)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    // More bytes than there are, as some writers say of a strip, hide nothing.
    assert_eq!(axes_of(tiff_of(2, b"", &[(279, 1 << 30)])).unwrap().1, [0, 1]);
    // The second page says that it is a smaller copy.
    let mut copy = tiff_of(3, b"", &[(254, 0)]);
    let second = 8 + 2 + 11 * 12 + 4;
    assert_eq!(copy[second + 2..second + 4], 254u16.to_le_bytes());
    copy[second + 10] = 1;
    let error = axes_of(copy.clone()).unwrap_err();
    assert!(error.to_string().contains("as large as the first"), "{error}");
    // A mask is none of the pages.
    copy[second + 10] = 4;
    assert_eq!(axes_of(copy).unwrap().1, [0, 2]);
    // A place beyond what a file can have.
    let mut bytes = tiff_of(1, b"", &[]);
    bytes[4..8].copy_from_slice(&[0xff; 4]);
    assert_eq!(axes_of(bytes).unwrap_err().kind(), ErrorKind::CorruptData);
}

#[test]
fn axes_are_those_that_tifffile_and_imagej_say() {
    let read = |count: u32, text: &str| axes_of(tiff_of(count, text.as_bytes(), &[])).map(|read| read.0);
    assert_eq!(read(6, r#"{"shape": [2, 3, 3, 4], "axes": "TZYX"}"#).unwrap(), "t2z3y3x4");
    assert_eq!(read(6, r#"{"shape": [6, 3, 4], "axes": "XYZ"}"#).unwrap(), "x6y3z4");
    assert_eq!(read(6, r#"{"shape": [6, 3, 4], "axes": "ZXC"}"#).unwrap(), "z6x3c4");
    assert_eq!(read(6, r#"{"shape": [2, 3, 3, 4]}"#).unwrap(), "dim_02dim_13y3x4");
    assert_eq!(read(6, r#"{"shape": [6, 3, 4, 1], "axes": "ZYXS"}"#).unwrap(), "z6y3x4");
    // Of a stack that this page was taken out of.
    assert_eq!(read(1, r#"{"shape": [6, 3, 4], "axes": "TYX"}"#).unwrap(), "z1y3x4");
    assert_eq!(read(1, "ImageJ=1.53t\nimages=3\nslices=3\n").unwrap(), "z1y3x4");
    // Images behind the one that has a directory.
    let mut stack = tiff_of(1, br#"{"shape": [3, 3, 4], "axes": "TYX", "truncated": true}"#, &[]);
    assert!(axes_of(stack.clone()).unwrap_err().to_string().contains("3 images"));
    stack.extend([[1; 12], [2; 12]].concat());
    assert_eq!(axes_of(stack).unwrap(), ("t3y3x4".into(), vec![0, 1, 2]));
    let mut cut = tiff_of(1, b"ImageJ=1.53t\nimages=3\nslices=3\n", &[]);
    cut.extend([1; 7]);
    assert_eq!(axes_of(cut.clone()).unwrap_err().kind(), ErrorKind::CorruptData);
    cut.extend([1; 17]);
    assert_eq!(axes_of(cut).unwrap().0, "z3y3x4");
    let latin = b"ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nunit=\xb5m\n";
    assert_eq!(axes_of(tiff_of(6, latin, &[])).unwrap().0, "z3c2y3x4");
}

/// Slices that carry the description of their whole stack, as files of microscopes do.
#[test]
fn slices_are_slices_whatever_they_say_of_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let pixels = "DimensionOrder='XYZCT' SizeZ='3' SizeC='1' SizeT='1'";
    let whole = ome(pixels, "<TiffData><UUID FileName='0.tif'>urn:uuid:7</UUID></TiffData>");
    for (name, description) in
        [("0.tif", &*whole), ("1.tif", "ImageJ=1.53t\nimages=3\nslices=3\n"), ("2.tif", "")]
    {
        std::fs::write(folder.path().join(name), tiff_of(1, description.as_bytes(), &[])).unwrap();
    }
    std::fs::create_dir(folder.path().join("3.tif")).unwrap();
    let array = Array::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(array.shape(), [3, 3, 4]);
    let error = Array::open(folder.path().join("0.tif").to_str().unwrap()).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("0.tif"), "{error}");
    let mut stack = tiff_of(1, b"ImageJ=1.53t\nimages=2\nslices=2\n", &[]);
    stack.extend([1; 12]);
    std::fs::write(folder.path().join("1.tif"), stack).unwrap();
    let error = Array::open(folder.path().to_str().unwrap()).unwrap_err();
    assert!(error.to_string().contains("a slice of 2 pages"), "{error}");
}
