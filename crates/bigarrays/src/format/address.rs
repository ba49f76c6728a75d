//! Where an array, an image or a group is: a URL, or a path in a store.

use std::sync::Arc;

use super::probe::Probe;
use super::registry;
use super::traits::{Format, FormatOptions};
use crate::base::error::{Error, Result};
use crate::store::{self, ReadOnlyStore, Store};

/// Where an array, an image or a group is. Whatever takes one takes a path or URL as a text, or a store of any kind
/// and a path in it.
///
/// A URL may name a format that other tools put before or behind it, of which nothing else is tried then:
/// `precomputed://gs://bucket/em`, `zarr://s3://bucket/a.zarr`, `s3://bucket/a.zarr|zarr3:`, with or without a path
/// behind the last colon.
///
/// ```
/// use std::sync::Arc;
/// use bigarrays::store::{MemoryStore, Store};
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// let spec = CreateSpec::new(DataType::U8, "0:4,0:5".parse()?);
/// OpenOptions::new().format("zarr3").create((&store, "group/a"), &spec)?;
/// assert_eq!(OpenOptions::new().open((&store, "group/a"))?.shape(), [4, 5]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Address<'a> {
    /// A path of the file system, or a URL.
    Url(&'a str),
    /// A path in a store.
    In(&'a Arc<dyn Store>, &'a str),
}

impl<'a> From<&'a str> for Address<'a> {
    fn from(url: &'a str) -> Self {
        Self::Url(url)
    }
}

impl<'a> From<&'a String> for Address<'a> {
    fn from(url: &'a String) -> Self {
        Self::Url(url)
    }
}

impl<'a> From<(&'a Arc<dyn Store>, &'a str)> for Address<'a> {
    fn from((store, path): (&'a Arc<dyn Store>, &'a str)) -> Self {
        Self::In(store, path)
    }
}

impl<'a> From<(&'a Arc<dyn Store>, &'a String)> for Address<'a> {
    fn from((store, path): (&'a Arc<dyn Store>, &'a String)) -> Self {
        Self::In(store, path)
    }
}

/// A place that was found by its address.
pub(super) struct Located {
    /// Rooted at the place.
    pub(super) store: Arc<dyn Store>,
    /// What may be there.
    pub(super) formats: Vec<&'static dyn Format>,
    /// Whether a format was named.
    pub(super) is_named: bool,
}

impl Address<'_> {
    /// The store at this address, and which formats the address and the options leave.
    ///
    /// # Errors
    /// `InvalidArgument` if they name different formats, or one that does not exist; those of [`store::open`].
    pub(super) fn locate(&self, options: &FormatOptions) -> Result<Located> {
        let (formats, is_named) = self.formats(options)?;
        let store = match *self {
            Self::Url(url) => {
                let Named { url, path, .. } = Named::parse(url);
                let root = store::open(url, &options.store)?;
                if path.is_empty() { root } else { root.child(path)? }
            }
            Self::In(store, path) => {
                let store = store.child(path)?;
                match options.store.read_only {
                    true => ReadOnlyStore::wrap(store, "the store was opened for reading only"),
                    false => store,
                }
            }
        };
        Ok(Located { store, formats, is_named })
    }

    /// The formats that the address and the options leave, and whether either names some.
    ///
    /// # Errors
    /// `InvalidArgument` if they name different formats, or one that does not exist.
    pub(super) fn formats(&self, options: &FormatOptions) -> Result<(Vec<&'static dyn Format>, bool)> {
        let asked = options.format.as_deref();
        let schemes = match *self {
            Self::Url(url) => Named::parse(url).schemes,
            Self::In(..) => Vec::new(),
        };
        let mut formats = registry::named(asked)?;
        for scheme in &schemes {
            let of_scheme = registry::of_scheme(scheme);
            formats.retain(|format| of_scheme.iter().any(|other| other.name() == format.name()));
        }
        if !formats.is_empty() {
            return Ok((formats, asked.is_some() || !schemes.is_empty()));
        }
        let named = schemes.join(" and ");
        Err(Error::invalid(match asked {
            Some(asked) => format!("the URL names {named}, not {asked}"),
            None => format!("the URL names {named}, and nothing is of both formats"),
        }))
    }

    /// The address as people write it: a URL as it was given.
    pub(crate) fn shown(&self) -> String {
        match *self {
            Self::Url(url) => url.to_owned(),
            Self::In(store, path) => match store.child(path) {
                Ok(store) => store.location(""),
                Err(_) => format!("{}{path}", store.location("")),
            },
        }
    }
}

/// Whether a path or URL looks like that of an array or a group: it names a format, its last part ends as folders of
/// a format do, or there are documents of one in this process's memory or the local folder. Asks no server.
pub fn is_likely(url: &str) -> bool {
    let Named { url: place, schemes, .. } = Named::parse(url);
    if !schemes.is_empty() || registry::is_suffix(place.trim_end_matches('/')) {
        return true;
    }
    let probe = || Address::Url(place).locate(&FormatOptions::default())?.probe();
    !store::is_remote(place) && probe().is_ok_and(|probe| probe.has_any())
}

/// Whether a path or URL names a format.
pub fn is_named(url: &str) -> bool {
    !Named::parse(url).schemes.is_empty()
}

impl Located {
    /// Reads the documents of all formats that are left, at once.
    pub(super) fn probe(&self) -> Result<Probe> {
        Probe::read(&self.store, self.formats.iter().flat_map(|format| format.documents()).copied())
    }
}

/// A URL in whose spelling a format may be named.
struct Named<'a> {
    url: &'a str,
    /// The path behind the format, from the place that the URL leads to.
    path: &'a str,
    schemes: Vec<&'a str>,
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Self {
        let (mut url, mut path, mut schemes) = (text, "", Vec::new());
        if let Some((before, behind)) = url.rsplit_once('|')
            && let Some((scheme, rest)) = behind.split_once(':')
            && !registry::of_scheme(scheme).is_empty()
        {
            (url, path) = (before, rest.trim_matches('/'));
            schemes.push(scheme);
        }
        while let Some((scheme, rest)) = url.split_once("://")
            && !registry::of_scheme(scheme).is_empty()
        {
            url = rest;
            schemes.push(scheme);
        }
        Self { url, path, schemes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_in_urls() {
        let parse = |text: &'static str| {
            let Named { url, path, schemes } = Named::parse(text);
            (url, path, schemes)
        };
        assert_eq!(parse("/data/em"), ("/data/em", "", vec![]));
        assert_eq!(parse("precomputed://gs://b/em"), ("gs://b/em", "", vec!["precomputed"]));
        assert_eq!(parse("zarr://file:///x"), ("file:///x", "", vec!["zarr"]));
        assert_eq!(parse("s3://b/a|zarr3:"), ("s3://b/a", "", vec!["zarr3"]));
        assert_eq!(parse("s3://b/a/|zarr2:g/x/"), ("s3://b/a/", "g/x", vec!["zarr2"]));
        assert_eq!(parse("b/x|neuroglancer-precomputed:"), ("b/x", "", vec!["neuroglancer-precomputed"]));
        // Names of files.
        assert_eq!(parse("a|b"), ("a|b", "", vec![]));
        assert_eq!(parse("a|zip:b"), ("a|zip:b", "", vec![]));
        assert_eq!(parse("s3://b/a"), ("s3://b/a", "", vec![]));
    }
}
