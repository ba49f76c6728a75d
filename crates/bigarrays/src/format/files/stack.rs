//! Stacks: folders of numbered images, one slice along `z` each.
//!
//! Read are PNG, JPEG and TIFF of one page, all of one size and type; the axes are `z,y,x`, then `c`
//! where a pixel has several samples. Elements are the samples as stored; one bit makes a `bool`.
//! Written are PNGs. One slice is decoded at a time.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::base::buffer::Order;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::format::files::image::{Encoding, Face, write_png};
use crate::format::files::pages::{PageStore, Pages};
use crate::format::files::plain::{NewArray, PlainFormat, Target, numbered_layout};
use crate::format::traits::Opened;
use crate::store::{in_parallel, io_error, version_of};

/// Folders of slices.
pub const FORMAT: PlainFormat = PlainFormat {
    name: "stack",
    about: "folder or pattern of PNG, JPEG or TIFF slices; PNG is written",
    is_named: |path| find(path).is_ok_and(|slices| slices.len() > 1 || path.is_dir()),
    open: |path| open(find(path)?),
    names: None,
    writes: true,
};

/// Finds the slices in a folder, or those that a pattern such as `folder/slice*.png` describes (`*`
/// and `?` in the last part only), in natural order: `slice2` comes before `slice10`. Other files and
/// hidden ones are passed over.
///
/// # Errors
/// `NotFound` if there is none.
pub fn find(folder_or_pattern: &Path) -> Result<Vec<PathBuf>> {
    let (folder, pattern) = if folder_or_pattern.is_dir() {
        (folder_or_pattern, "*".to_owned())
    } else {
        let name = folder_or_pattern.file_name().unwrap_or_default();
        let folder = folder_or_pattern.parent().filter(|parent| !parent.as_os_str().is_empty());
        (folder.unwrap_or(Path::new(".")), name.to_string_lossy().into_owned())
    };
    let failed = |error| io_error(error, "listing", folder);
    let mut slices = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let path = folder.join(&name);
        let name = name.to_string_lossy();
        if !name.starts_with('.')
            && matches(&pattern, &name)
            && Encoding::of(&path).is_some()
            && !path.is_dir()
        {
            slices.push(path);
        }
    }
    if slices.is_empty() {
        let reason = "no PNG, JPEG or TIFF images are there";
        return Err(Error::new(ErrorKind::NotFound, reason).at(folder_or_pattern.display().to_string()));
    }
    sort(&mut slices);
    Ok(slices)
}

/// Sorts paths naturally: numbers within them by their value.
pub fn sort(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b)));
}

/// Says which slices these are: how many, the first and the last.
pub fn describe(slices: &[PathBuf]) -> String {
    let name = |path: Option<&PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
    match slices.len() {
        1 => format!("1 slice: {}", name(slices.first())),
        count => format!("{count} slices: {} … {}", name(slices.first()), name(slices.last())),
    }
}

/// Opens slices, in the order given, for reading. The header of every file is looked at.
///
/// # Errors
/// `InvalidArgument` if slices differ in kind, size or type, naming the first that differs from the
/// first of all.
pub fn open(slices: Vec<PathBuf>) -> Result<Opened> {
    let faces = Mutex::new(vec![None; slices.len()]);
    in_parallel(&slices, |position, path| {
        let at = |error: Error| error.during("opening slice").at(path.display().to_string());
        let unknown = || Error::unsupported("not a PNG, JPEG or TIFF file");
        let encoding = Encoding::of(path).ok_or_else(unknown).map_err(at)?;
        let face = (encoding, encoding.face(path).map_err(at)?);
        faces.locked()[position] = Some(face);
        Ok(())
    })?;
    let faces = faces.into_value();
    let Some(&Some((encoding, face))) = faces.first() else {
        return Err(Error::invalid("a stack of no slices"));
    };
    if let Some(odd) = faces.iter().position(|found| *found != Some((encoding, face))) {
        let describe = |found: (Encoding, Face)| format!("a {:?} of {}", found.0, found.1.describe());
        let (first, found) = (slices[0].display(), faces[odd].map(describe).unwrap_or_default());
        let reason = format!("this slice is {found}, but {first} is {}", describe((encoding, face)));
        return Err(Error::invalid(reason).during("opening slice").at(slices[odd].display().to_string()));
    }
    let mut shape = vec![slices.len() as u64, face.height.into(), face.width.into()];
    shape.extend((face.channels > 1).then_some(u64::from(face.channels)));
    let names = ["z", "y", "x", "c"][..shape.len()].iter().map(|&name| name.to_owned()).collect();
    let domain = Domain::from_shape(&shape)?;
    let array = NewArray { dtype: face.dtype, domain, axis_names: names, resolution: None };
    let stack = Stack { slices, encoding, face, is_new: false };
    Ok(Opened::new("stack", layout(array)?, Arc::new(PageStore::new(stack))))
}

/// Starts a stack of PNGs, `folder/PREFIX00000.png` and so on, with as many digits as it takes. Each
/// slice appears as it is written; one that is removed is written as zeros. The axes are `z,y,x` or
/// `z,y,x,c` with up to 4 channels, whatever their names, of `uint8` or `uint16`.
///
/// # Errors
/// `AlreadyExists` if the folder has such PNGs already, which would mix with the new ones.
pub fn create(folder: &Path, prefix: &str, array: NewArray) -> Result<Target> {
    let at = |error: Error| error.during("creating").at(folder.display().to_string());
    let (count, face) = face_of(&array).map_err(at)?;
    let failed = |error| io_error(error, "creating", folder);
    std::fs::create_dir_all(folder).map_err(failed)?;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if matches(&format!("{prefix}*.png"), &name.to_string_lossy()) {
            let reason = format!("{} is there already; take an empty folder", name.display());
            return Err(at(Error::new(ErrorKind::AlreadyExists, reason)));
        }
    }
    let digits = count.saturating_sub(1).to_string().len().max(5);
    let slices = (0..count).map(|k| folder.join(format!("{prefix}{k:0digits$}.png"))).collect();
    let stack = Stack { slices, encoding: Encoding::Png, face, is_new: true };
    Ok(Target::of_chunks("stack", layout(array).map_err(at)?, Arc::new(PageStore::new(stack))))
}

/// Number and look of the slices of a new array.
fn face_of(array: &NewArray) -> Result<(u64, Face)> {
    let bits = match array.dtype {
        DataType::U8 => 8,
        DataType::U16 => 16,
        dtype => return Err(Error::unsupported(format!("PNGs hold uint8 and uint16, not {dtype}"))),
    };
    let (count, height, width, channels) = match *array.domain.shape() {
        [z, y, x] => (z, y, x, 1),
        [z, y, x, c @ 1..=4] => (z, y, x, c as u16),
        _ => {
            let shape = array.domain.shape();
            let reason = format!("a stack has axes z,y,x or z,y,x,c with up to 4 channels, not {shape:?}");
            return Err(Error::invalid(reason));
        }
    };
    let side = |length: u64| u32::try_from(length).ok().filter(|length| (1..1 << 31).contains(length));
    match (side(height), side(width), count < 100_000_000) {
        (Some(height), Some(width), true) => {
            Ok((count, Face { height, width, channels, dtype: array.dtype, bits }))
        }
        _ => Err(Error::invalid(format!("{count} slices of {width} × {height} cannot be written"))),
    }
}

fn layout(array: NewArray) -> Result<crate::chunk::layout::Layout> {
    let mut chunk = array.domain.shape().to_vec();
    chunk[0] = 1;
    numbered_layout(array, &chunk, Order::C, cfg!(target_endian = "big"))
}

#[derive(Debug)]
struct Stack {
    slices: Vec<PathBuf>,
    encoding: Encoding,
    face: Face,
    /// Whether slices may be missing and are written.
    is_new: bool,
}

impl Pages for Stack {
    fn location(&self, number: Option<u64>) -> String {
        match number {
            Some(number) => self.slices[number as usize].display().to_string(),
            None => describe(&self.slices),
        }
    }

    fn count(&self) -> u64 {
        self.slices.len() as u64
    }

    fn decoded_len(&self, _: u64) -> u64 {
        self.face.byte_len().unwrap_or(u64::MAX)
    }

    fn version(&self, number: u64) -> Option<String> {
        rustix::fs::stat(&self.slices[number as usize]).ok().as_ref().map(version_of)
    }

    fn decode(&self, number: u64, out: &mut Vec<u8>) -> Result<Option<usize>> {
        match self.encoding.decode(&self.slices[number as usize], self.face, out) {
            Err(error) if self.is_new && error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn replace(&self, number: u64, bytes: Option<&[u8]>) -> Result<()> {
        if !self.is_new {
            let reason = "the slices of an existing stack are only read; write a new one";
            return Err(Error::new(ErrorKind::ReadOnly, reason));
        }
        let path = &self.slices[number as usize];
        match bytes {
            Some(bytes) => write_png(path, self.face, bytes),
            None => write_png(path, self.face, &vec![0; self.face.byte_len()? as usize]),
        }
    }
}

/// Whether `name` is like `pattern`, in which `*` is anything and `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Compares texts, runs of digits in them by their value.
fn natural(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else { return a.len().cmp(&b.len()) };
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_a, number_b) = (take_number(&mut a), take_number(&mut b));
            number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b))
        } else {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the digits at the start of `text`, and gives them without leading zeros.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::files::plain::tests::{new_array, read_all, write_all};

    #[test]
    fn names_sort_naturally_and_patterns_match() {
        let mut paths: Vec<PathBuf> = ["b1", "a10", "a2", "a02b", "a1x", "a"].map(PathBuf::from).into();
        sort(&mut paths);
        assert_eq!(paths, ["a", "a1x", "a2", "a02b", "a10", "b1"].map(PathBuf::from));
        for (pattern, name, is_like) in [
            ("*", "", true),
            ("a*.png", "a1.png", true),
            ("a*b*c", "axbxbc", true),
            ("a?c", "ac", false),
            ("a*c", "acd", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), is_like, "{pattern} {name}");
        }
    }

    #[test]
    fn pngs_come_back() {
        let directory = tempfile::tempdir().unwrap();
        for (dtype, shape) in [
            (DataType::U8, &[3u64, 5, 7][..]),
            (DataType::U16, &[2, 5, 7]),
            (DataType::U16, &[2, 5, 7, 4]),
            (DataType::U8, &[2, 5, 7, 3]),
        ] {
            let folder = directory.path().join(format!("{dtype}{}", shape.len()));
            let target = create(&folder, "s", new_array(dtype, shape)).unwrap();
            let length = shape.iter().product::<u64>() as usize * dtype.size();
            let elements: Vec<u8> = (0..length).map(|k| (k * 7) as u8).collect();
            write_all(&target.layout, &*target.store, &elements).unwrap();
            assert_eq!(read_all(&target.layout, &*target.store).unwrap(), elements);
            let slices = find(&folder).unwrap();
            assert!(slices[0].ends_with("s00000.png") && slices.len() as u64 == shape[0]);
            let opened = open(slices).unwrap();
            assert_eq!(opened.layout.domain().shape(), shape);
            assert_eq!(read_all(&opened.layout, &*opened.store).unwrap(), elements);
            let error = create(&folder, "s", new_array(dtype, shape)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read_dir(&folder).unwrap().count() as u64, shape[0]);
        }
    }

    #[test]
    fn the_odd_slice_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let write = |prefix: &str, shape: &[u64]| {
            let target = create(directory.path(), prefix, new_array(DataType::U8, shape)).unwrap();
            write_all(&target.layout, &*target.store, &vec![1; shape.iter().product::<u64>() as usize])
                .unwrap();
        };
        write("a", &[3, 5, 7]);
        write("b", &[1, 5, 8]);
        let slices = find(directory.path()).unwrap();
        assert!(describe(&slices).starts_with("4 slices: "));
        let error = open(slices).unwrap_err().to_string();
        assert!(error.contains("b00000.png") && error.contains("8 × 5"), "{error}");
        assert_eq!(find(&directory.path().join("a*1.png")).unwrap().len(), 1);
        assert_eq!(find(&directory.path().join("*.jpg")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
