//! What one element of a `.npy` file is: NumPy's `descr`.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::numpy::numpy_name;
use crate::format::files::npy::literal::Literal;

/// The deepest that records lie in records.
const DEEPEST: usize = 8;

/// NumPy's description of one element, as it stands in the header.
///
/// Any type without Python objects has one; only those of [`DataType`] can be elements of an
/// [`Array`](crate::Array), the others are bytes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descr {
    text: String,
    size: u64,
}

impl Descr {
    /// Little-endian elements of `dtype`.
    pub fn of(dtype: DataType) -> Self {
        Self { text: format!("'{}'", numpy_name(dtype, false)), size: dtype.size() as u64 }
    }

    /// Reads a Python literal: a string such as `'<f4'`, or a list of fields.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is neither; `Unsupported` for Python objects and unknown types.
    pub fn parse(text: &str) -> Result<Self> {
        let mut literal = Literal::new(text);
        let descr = Self::take(&mut literal)?;
        literal.end()?;
        Ok(descr)
    }

    /// Takes the description that `literal` starts with.
    pub(crate) fn take(literal: &mut Literal<'_>) -> Result<Self> {
        let start = literal.rest();
        let size = size_of(literal, 0)?;
        let text = start[..start.len() - literal.rest().len()].trim().to_owned();
        Ok(Self { text, size })
    }

    /// The Python literal.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Bytes of one element.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The element type, and whether its bytes are in big-endian order.
    ///
    /// # Errors
    /// `Unsupported` for types that arrays do not have.
    pub fn element(&self) -> Result<(DataType, bool)> {
        let unsupported = |kind: &str| {
            let text = &self.text;
            Error::unsupported(format!("{kind} ({text}); convert them to a type such as uint8 or float32"))
        };
        let mut literal = Literal::new(&self.text);
        if literal.accept('[') {
            return Err(unsupported("structured elements"));
        }
        let name = literal.string()?;
        let (endian, name) = split_endian(name);
        let known = match name {
            "b1" | "?" => Some(DataType::Bool),
            "f2" => Some(DataType::F16),
            "f4" => Some(DataType::F32),
            "f8" => Some(DataType::F64),
            "i1" | "i2" | "i4" | "i8" | "u1" | "u2" | "u4" | "u8" => {
                format!("{}{}", &name[..1], u32::from(name.as_bytes()[1] - b'0') * 8).parse().ok()
            }
            _ => None,
        };
        let big = endian == '>' || endian == '=' && cfg!(target_endian = "big");
        known.map(|dtype| (dtype, big)).ok_or_else(|| {
            unsupported(match name.as_bytes().first() {
                Some(b'S' | b'U' | b'a') => "strings",
                Some(b'V') => "records or raw bytes",
                Some(b'M' | b'm') => "dates or time spans",
                Some(b'c') => "complex numbers",
                _ => "elements of this type",
            })
        })
    }
}

fn split_endian(name: &str) -> (char, &str) {
    match name.as_bytes().first() {
        Some(&endian @ (b'<' | b'|' | b'>' | b'=')) => (char::from(endian), &name[1..]),
        _ => ('|', name),
    }
}

/// Bytes of the element that the literal starts with.
fn size_of(literal: &mut Literal<'_>, depth: usize) -> Result<u64> {
    if !literal.accept('[') {
        return simple_size(literal.string()?);
    }
    if depth == DEEPEST {
        return Err(Error::unsupported(format!("records more than {DEEPEST} deep")));
    }
    let mut size = 0u64;
    while !literal.accept(']') {
        size = size.checked_add(field_size(literal, depth)?).ok_or_else(too_large)?;
        if !literal.accept(',') {
            literal.expect(']')?;
            break;
        }
    }
    Ok(size)
}

/// `(name, type)` or `(name, type, shape)`; a name may be `(title, name)`.
fn field_size(literal: &mut Literal<'_>, depth: usize) -> Result<u64> {
    literal.expect('(')?;
    if literal.accept('(') {
        literal.string()?;
        literal.expect(',')?;
        literal.string()?;
        literal.expect(')')?;
    } else {
        literal.string()?;
    }
    literal.expect(',')?;
    let mut size = size_of(literal, depth + 1)?;
    if literal.accept(',') && !literal.starts_with(')') {
        for length in literal.shape()? {
            size = size.checked_mul(length).ok_or_else(too_large)?;
        }
        literal.accept(',');
    }
    literal.expect(')')?;
    Ok(size)
}

fn too_large() -> Error {
    Error::metadata("an element is larger than memory")
}

/// Bytes of an element whose type is a letter and a number.
fn simple_size(descr: &str) -> Result<u64> {
    let refuse = || Error::unsupported(format!("elements of an unknown type ({descr:?})"));
    let (_, name) = split_endian(descr);
    let kind = name.chars().next().filter(char::is_ascii).ok_or_else(refuse)?;
    if kind == 'O' {
        return Err(Error::unsupported("Python objects; convert them to a type such as float32"));
    }
    if name == "?" {
        return Ok(1);
    }
    // Dates have a unit behind: M8[ns].
    let digits = name[1..].split('[').next().unwrap_or_default();
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    match (kind, number) {
        ('b', 1) | ('i' | 'u', 1 | 2 | 4 | 8) | ('f', 2 | 4 | 8 | 12 | 16) => Ok(number),
        ('c', 8 | 16 | 24 | 32) | ('M' | 'm', 8) => Ok(number),
        ('S' | 'a' | 'V', _) => Ok(number),
        ('U', _) => number.checked_mul(4).ok_or_else(too_large),
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    #[test]
    fn sizes() {
        for (text, size) in [
            ("'<f8'", 8),
            ("'|b1'", 1),
            ("'<c16'", 16),
            ("'<U5'", 20),
            ("'|S7'", 7),
            ("'<M8[ns]'", 8),
            ("[('a', '<i4'), ('', '|V4'), ('b', '<f8', (2, 3))]", 56),
            ("[(('title', 'n'), [('x', '|u1')], (3,))]", 3),
        ] {
            let descr = Descr::parse(text).unwrap();
            assert_eq!((descr.size(), descr.text()), (size, text));
        }
        for dtype in DataType::ALL {
            assert_eq!(Descr::of(dtype).element().unwrap(), (dtype, false));
            assert_eq!(Descr::parse(Descr::of(dtype).text()).unwrap(), Descr::of(dtype));
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        let deep = format!("{}'|u1'{}", "[('a', ".repeat(20), ")]".repeat(20));
        for text in ["'|O'", "'<i3'", "''", "'<é'", "[('a', '|O')]", &deep] {
            assert_eq!(Descr::parse(text).unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
        }
        for text in ["[('a')]", "[('a', '<i4'", "5", "[('a', '|V9', (99999999999999999, 99999))]"] {
            assert_eq!(Descr::parse(text).unwrap_err().kind(), ErrorKind::InvalidMetadata, "{text}");
        }
        for (text, word) in [("'<U5'", "strings"), ("[('a', '<i4')]", "structured"), ("'<c16'", "complex")] {
            let error = Descr::parse(text).unwrap().element().unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains(word), "{error}");
        }
    }
}
