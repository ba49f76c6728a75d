//! Options for opening arrays, and how open arrays behave.

use std::sync::Arc;
use std::time::Duration;

use crate::array::{Array, ArrayOptions, Outside};
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::{self, Address, FormatOptions, Opened, ScaleSelector};
use crate::store::{self, CacheOptions, CachedStore, MemoryStore, Prefer, Settings, Store};

/// How many scales of a layer are tried to find one that can be opened.
const MOST_SCALES: usize = 16;

/// Options for opening an array.
///
/// ```no_run
/// let array = bigarrays::OpenOptions::new().scale(1).read_only(true).open("/data/em")?;
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    array: ArrayOptions,
    format: FormatOptions,
    cache: Option<CacheOptions>,
}

impl OpenOptions {
    /// The defaults: the first scale, readable and writable.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which scale of a layer to open: a position, a key or a resolution.
    #[must_use]
    pub fn scale(mut self, scale: impl Into<ScaleSelector>) -> Self {
        self.format.scale = scale.into();
        self
    }

    /// Forces a format by name instead of finding it by the metadata.
    #[must_use]
    pub fn format(mut self, name: impl Into<String>) -> Self {
        self.format.format = Some(name.into());
        self
    }

    /// Opens arrays as well that are marked as incomplete: [`Lazy::save`](crate::compute::Lazy::save) and others who make
    /// them were stopped, or are at it. What is not written reads as fill value.
    #[must_use]
    pub fn incomplete(mut self, incomplete: bool) -> Self {
        self.format.incomplete = incomplete;
        self
    }

    /// Refuses every write.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.array.read_only = read_only;
        self.format.store.read_only = read_only;
        self
    }

    /// Makes reads outside the domain or over missing chunks errors instead of fill values.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.array.strict = strict;
        self
    }

    /// What a write does with elements outside the domain.
    #[must_use]
    pub fn outside(mut self, outside: Outside) -> Self {
        self.array.outside = outside;
        self
    }

    /// Deletes chunks that hold only the fill value instead of storing them.
    #[must_use]
    pub fn drop_fill(mut self, drop_fill: bool) -> Self {
        self.array.drop_fill = drop_fill;
        self
    }

    /// Has every write on stable storage before it returns.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.format.store.durable = durable;
        self
    }

    /// Whether writers in other processes are kept out of a chunk while it changes (the default).
    /// Without, only one process may write.
    #[must_use]
    pub fn lock(mut self, lock: bool) -> Self {
        self.format.store.lock = lock;
        self
    }

    /// How long a change waits for the lock of another thread or process at most: see
    /// [`StoreOptions::lock_timeout`](crate::store::StoreOptions::lock_timeout).
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.format.store.lock_timeout = timeout;
        self
    }

    /// Which of several local files of a chunk counts if they contradict each other, as `x.gz` and `x.br` that another
    /// program has left beside each other. Without, reading the chunk is an error.
    #[must_use]
    pub fn prefer(mut self, prefer: Option<Prefer>) -> Self {
        self.format.store.prefer = prefer;
        self
    }

    /// Tells a store behind a network something, such as `region` or `endpoint`: see [`Settings`]. What
    /// is not said, the environment and the service's configuration files say.
    ///
    /// ```no_run
    /// let options = bigarrays::OpenOptions::new().storage_option("anonymous", "true");
    /// let array = options.read_only(true).open("s3://bucket/em")?;
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    #[must_use]
    pub fn storage_option(mut self, key: &str, value: impl Into<String>) -> Self {
        self.format.store.settings.set(key, value);
        self
    }

    /// All that stores behind a network are told, instead of what was said so far.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.format.store.settings = settings;
        self
    }

    /// Keeps chunks that are read from behind a network, encoded as they are stored. Local files are not
    /// cached: the operating system does that.
    ///
    /// ```no_run
    /// use bigarrays::store::{CacheOptions, Validate, cache};
    /// let cache = CacheOptions {
    ///     directory: Some(cache::default_directory()?),
    ///     validate: Validate::Open,
    ///     ..CacheOptions::default()
    /// };
    /// let array = bigarrays::OpenOptions::new().cache(cache).open("s3://bucket/em")?;
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    #[must_use]
    pub fn cache(mut self, cache: impl Into<Option<CacheOptions>>) -> Self {
        self.cache = cache.into();
        self
    }

    /// The compression put around chunks that are written whole; precomputed layers only.
    #[must_use]
    pub fn content_encoding(mut self, encoding: crate::chunk::codec::ContentEncoding) -> Self {
        self.format.content_encoding = encoding;
        self
    }

    /// What formats are told.
    pub(crate) fn format_options(&self) -> &FormatOptions {
        &self.format
    }

    /// Opens the array at `address`: a path, a URL, or a path in a store.
    ///
    /// # Errors
    /// As [`Array::open`].
    pub fn open<'a>(&self, address: impl Into<Address<'a>>) -> Result<Array> {
        let address = address.into();
        self.array(format::open(address, &self.format)?, address)
    }

    /// Opens the layer at `address` at the first of its scales that can be opened: for who wants to know what there is,
    /// which a scale that is damaged, incomplete or in an unknown encoding does not hide.
    ///
    /// # Errors
    /// Those of opening the scale that was asked for, if there is no other.
    pub fn open_any_scale<'a>(&self, address: impl Into<Address<'a>>) -> Result<Array> {
        let address = address.into();
        let is_of_scale = |error: &Error| {
            matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::InvalidMetadata | ErrorKind::CorruptData
            )
        };
        let options = self.clone().incomplete(true);
        let opened = options.open(address);
        let Err(error) = opened else { return opened };
        for scale in (1..MOST_SCALES).take_while(|_| is_of_scale(&error)) {
            match options.clone().scale(scale).open(address) {
                Ok(array) => return Ok(array),
                Err(error) if is_of_scale(&error) => {}
                Err(_) => break,
            }
        }
        Err(error)
    }

    /// Creates the array that `spec` describes at `address` and opens it.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one, `InvalidArgument` if the specification makes no sense.
    pub fn create<'a>(&self, address: impl Into<Address<'a>>, spec: &format::CreateSpec) -> Result<Array> {
        let address = address.into();
        let opened = format::create(address, spec, &self.format)
            .map_err(|error| self.already_there(address, error))?;
        self.array(opened, address)
    }

    /// The error of creating an array, which says so if that which is there is not written to its end.
    fn already_there(&self, address: Address<'_>, error: Error) -> Error {
        let is_unfinished = |array: &Array| array.incomplete().is_some();
        let begun = || {
            self.clone()
                .read_only(true)
                .incomplete(true)
                .open(address)
                .is_ok_and(|array| is_unfinished(&array))
        };
        if error.kind() != ErrorKind::AlreadyExists || !begun() {
            return error;
        }
        let reason = "there is an array here that is not written to its end: another process writes it, or a run that was stopped \
                      has left it. If that run was to be resumed, resume it with the same options; or remove the array first";
        Error::new(ErrorKind::AlreadyExists, reason).during("creating").at(address.shown())
    }

    /// The array that [`OpenOptions::create`] would make at `url`, in memory of its own: what is asked for is found out without
    /// touching that place. `None` for formats that need a file.
    ///
    /// # Errors
    /// As [`OpenOptions::create`], but for what is there.
    pub fn rehearse(&self, url: &str, spec: &format::CreateSpec) -> Result<Option<Array>> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        // The URL may say the format, and the place is another. What needs a file is found out below.
        let own = match format::format_of_new(url, "", &self.format) {
            Ok(format) => self.clone().format(format.name()),
            Err(_) => self.clone(),
        };
        match format::create((&store, "array").into(), spec, &own.format) {
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(error.instead_at(url)),
            // Errors are of the place where it would be.
            Ok(opened) => Ok(Some(Array::from_opened(opened, url, self.array.clone()))),
        }
    }

    /// What [`OpenOptions::create`] would make an empty array like the one at `address` of, with the same options
    /// of chunks, codecs and shards, as far as these can be said.
    ///
    /// # Errors
    /// As [`Array::open`].
    pub fn like<'a>(&self, address: impl Into<Address<'a>>) -> Result<format::CreateSpec> {
        format::like(address.into(), &self.format)
    }

    /// Adds the scale that `spec` describes to the layer at `address` and opens it.
    ///
    /// # Errors
    /// As [`OpenOptions::create`]; `Unsupported` if the format has no scales.
    pub fn add_scale<'a>(&self, address: impl Into<Address<'a>>, spec: &format::CreateSpec) -> Result<Array> {
        let address = address.into();
        self.array(format::add_scale(address, spec, &self.format)?, address)
    }

    /// Gives the array at `address` another shape, whose elements stay where they were along every axis. What it
    /// gains is fill value; what is outside then is lost for good. Others must not write meanwhile.
    ///
    /// # Errors
    /// `NotFound` if there is no array; `InvalidArgument` for another number of axes; `Unsupported` if the format
    /// keeps its shape; a storage error, after which the array has its old shape, but some of what was to be outside
    /// may be gone.
    pub fn resize<'a>(&self, address: impl Into<Address<'a>>, shape: &[u64]) -> Result<()> {
        let address = address.into();
        let before = self.clone().read_only(false).drop_fill(true).incomplete(true).open(address)?;
        // Before the metadata: what is outside shall not come back with a growth after this was cut short.
        if format::resizes(before.format()) && shape.len() == before.ndim() {
            before.forget_outside(shape).map_err(|error| error.during("resizing").at(address.shown()))?;
        }
        format::resize(address, shape, &self.format)
    }

    /// The array that a format has opened.
    fn array(&self, mut opened: Opened, address: Address<'_>) -> Result<Array> {
        let url = address.shown();
        let is_remote = store::is_remote(&opened.store.location(""));
        if let Some(cache) = self.cache.as_ref().filter(|_| is_remote) {
            let cached = CachedStore::new(opened.store, &self.format.store.settings, cache);
            opened.store = Arc::new(cached.map_err(|error| error.at(&url))?);
        }
        Ok(Array::from_opened(opened, &url, self.array.clone()))
    }
}

impl Array {
    /// Opens the array at `address`, a path, a URL, or a path in a store, with the default [`OpenOptions`].
    ///
    /// # Errors
    /// `NotFound` if there is no array, `InvalidMetadata` if its metadata are not valid,
    /// `Unsupported` if they ask for what this version cannot do, `Incomplete` if they say that it is not written to its
    /// end: see [`OpenOptions::incomplete`].
    pub fn open<'a>(address: impl Into<Address<'a>>) -> Result<Self> {
        OpenOptions::new().open(address)
    }
}
