//! `Content-Encoding`: how services say in which encoding a value is stored.

use object_store::{Attribute, Attributes};

use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;

/// How a value with these attributes is to be decoded.
pub(super) fn encoding_of(attributes: &Attributes) -> Result<ContentEncoding> {
    let named = attributes.get(&Attribute::ContentEncoding).map_or("", |value| value.as_ref());
    let mut encoding = ContentEncoding::Identity;
    for name in named.split(',').map(|name| name.trim().to_ascii_lowercase()) {
        let next = match name.as_str() {
            // How a body was sent, not how it is stored.
            "" | "identity" | "aws-chunked" => continue,
            "x-gzip" => ContentEncoding::Gzip,
            "bzip2" => ContentEncoding::Bz2,
            "lzma" => ContentEncoding::Xz,
            name => *ContentEncoding::ALL.iter().find(|known| header_of(**known) == Some(name)).ok_or_else(
                || {
                    Error::unsupported(format!(
                        "Content-Encoding {name:?}; known are gzip, br, zstd, bz2 and xz"
                    ))
                },
            )?,
        };
        if encoding != ContentEncoding::Identity {
            return Err(Error::unsupported(format!("Content-Encoding {named:?}: encoded twice")));
        }
        encoding = next;
    }
    Ok(encoding)
}

/// The Content-Encoding header of what is encoded so.
pub(super) fn header_of(encoding: ContentEncoding) -> Option<&'static str> {
    match encoding {
        ContentEncoding::Identity => None,
        ContentEncoding::Gzip => Some("gzip"),
        ContentEncoding::Brotli => Some("br"),
        ContentEncoding::Zstd => Some("zstd"),
        ContentEncoding::Bz2 => Some("bz2"),
        ContentEncoding::Xz => Some("xz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_from_the_header() {
        let of =
            |text: &'static str| encoding_of(&Attributes::from_iter([(Attribute::ContentEncoding, text)]));
        assert_eq!(of("aws-chunked, GZIP").unwrap(), ContentEncoding::Gzip);
        assert_eq!(of("identity").unwrap(), ContentEncoding::Identity);
        assert_eq!(of("zstd").unwrap(), ContentEncoding::Zstd);
        assert_eq!(of("bzip2").unwrap(), ContentEncoding::Bz2);
        assert_eq!(of("xz").unwrap(), ContentEncoding::Xz);
        assert!(of("deflate").is_err() && of("gzip, br").is_err());
    }
}
