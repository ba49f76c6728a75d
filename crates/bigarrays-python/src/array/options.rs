//! The options that opening and creating take, and that a pickled array takes with it.

use std::time::Duration;

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::store::{CacheOptions, Prefer, Settings, StoreOptions, Validate};
use bigarrays::{OpenOptions, Outside};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::Arguments;
use crate::array::cache::{PyCache, to_cache};
use crate::errors::OrRaise;

/// The encodings around chunks, as arguments name them.
const CONTENT_ENCODINGS: [(&str, ContentEncoding); 6] = [
    ("none", ContentEncoding::Identity),
    ("gzip", ContentEncoding::Gzip),
    ("br", ContentEncoding::Brotli),
    ("zstd", ContentEncoding::Zstd),
    ("bz2", ContentEncoding::Bz2),
    ("xz", ContentEncoding::Xz),
];

/// The options with which an array was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) writable: bool,
    pub(crate) format: Option<String>,
    strict: bool,
    /// Arrays are opened that are marked as incomplete, and made ones are marked so.
    pub(crate) incomplete: bool,
    crop: bool,
    drop_fill: bool,
    durable: bool,
    lock: bool,
    lock_timeout: Option<Duration>,
    prefer: Option<Prefer>,
    pub(crate) content_encoding: Option<ContentEncoding>,
    settings: Settings,
    cache: Option<CacheOptions>,
}

impl Opening {
    /// Takes the options out of keyword arguments.
    pub(crate) fn take(given: &Arguments<'_>, writable: bool) -> PyResult<Self> {
        let crop = match given.take::<String>("outside")?.as_deref() {
            None | Some("error") => false,
            Some("crop") => true,
            Some(other) => {
                return Err(
                    given.invalid(format!("unknown outside={other:?}; known are \"error\" and \"crop\""))
                );
            }
        };
        Ok(Self {
            writable,
            format: given.take("format")?,
            strict: given.take("strict")?.unwrap_or(false),
            incomplete: given.take("incomplete")?.unwrap_or(false),
            crop,
            drop_fill: given.take("drop_fill")?.unwrap_or(false),
            durable: given.take("durable")?.unwrap_or(false),
            lock: given.take("lock")?.unwrap_or(true),
            lock_timeout: given
                .take::<f64>("lock_timeout")?
                .map(|seconds| {
                    Duration::try_from_secs_f64(seconds).map_err(|error| given.invalid(error.to_string()))
                })
                .transpose()?,
            prefer: given
                .take::<String>("prefer")?
                .map(|name| name.parse().map_err(|error: bigarrays::Error| given.invalid(error.to_string())))
                .transpose()?,
            content_encoding: given
                .take::<String>("content_encoding")?
                .map(|name| {
                    let known = CONTENT_ENCODINGS.iter().find(|(known, _)| *known == name);
                    known.map(|(_, encoding)| *encoding).ok_or_else(|| {
                        given.invalid(format!(
                            "unknown content_encoding {name:?}; known are none, gzip, br, zstd, bz2 and xz"
                        ))
                    })
                })
                .transpose()?,
            settings: given.settings()?,
            cache: cache_of(given)?,
        })
    }

    /// How stores are reached, for what beside elements is read and changed.
    pub(crate) fn store_options(&self) -> StoreOptions {
        StoreOptions {
            settings: self.settings.clone(),
            lock: self.lock,
            lock_timeout: self.lock_timeout,
            prefer: self.prefer,
            durable: self.durable,
            ..StoreOptions::default()
        }
    }

    /// The options as the core takes them.
    pub(crate) fn options(&self) -> OpenOptions {
        let options = OpenOptions::new()
            .read_only(!self.writable)
            .strict(self.strict)
            .incomplete(self.incomplete)
            .outside(if self.crop { Outside::Crop } else { Outside::Error })
            .drop_fill(self.drop_fill)
            .durable(self.durable)
            .lock(self.lock)
            .lock_timeout(self.lock_timeout)
            .prefer(self.prefer)
            .settings(self.settings.clone())
            .cache(self.cache.clone())
            .content_encoding(self.content_encoding.unwrap_or_default());
        match &self.format {
            Some(name) => options.format(name),
            None => options,
        }
    }

    /// The options as the arguments of [`open`], without secrets.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(py);
        arguments.set_item("mode", mode_name(self.writable))?;
        arguments.set_item("format", &self.format)?;
        arguments.set_item("strict", self.strict)?;
        arguments.set_item("incomplete", self.incomplete)?;
        arguments.set_item("outside", if self.crop { "crop" } else { "error" })?;
        arguments.set_item("drop_fill", self.drop_fill)?;
        arguments.set_item("durable", self.durable)?;
        arguments.set_item("lock", self.lock)?;
        arguments.set_item("lock_timeout", self.lock_timeout.map(|timeout| timeout.as_secs_f64()))?;
        arguments.set_item("prefer", self.prefer.map(Prefer::name))?;
        let name = CONTENT_ENCODINGS.iter().find(|(_, encoding)| Some(*encoding) == self.content_encoding);
        arguments.set_item("content_encoding", name.map(|(name, _)| *name))?;
        let settings = PyDict::new(py);
        for (key, value) in self.settings.without_secrets().iter() {
            settings.set_item(key, value)?;
        }
        arguments.set_item("storage_options", settings)?;
        if let Some(cache) = &self.cache {
            let name = Validate::NAMES.iter().find(|(_, validate)| *validate == cache.validate);
            arguments.set_item("validate", name.map(|(name, _)| name))?;
            arguments.set_item("cache", PyCache(cache.clone()))?;
        }
        Ok(arguments)
    }
}

/// The mode of an array that is writable or not.
pub(crate) fn mode_name(writable: bool) -> &'static str {
    if writable { "r+" } else { "r" }
}

/// What is to be cached of reads from behind a network.
fn cache_of(given: &Arguments<'_>) -> PyResult<Option<CacheOptions>> {
    let validate: Option<String> = given.take("validate")?;
    let validate = validate.map(|name| name.parse::<Validate>().or_raise(given.py)).transpose()?;
    let cache: Option<Bound<'_, PyAny>> = given.take("cache")?;
    match (cache.map(|cache| to_cache(&cache)).transpose()?.flatten(), validate) {
        (None, Some(_)) => Err(given.invalid("validate says how a cache is validated; give cache as well")),
        (cache, validate) => {
            Ok(cache.map(|cache| CacheOptions { validate: validate.unwrap_or_default(), ..cache }))
        }
    }
}
