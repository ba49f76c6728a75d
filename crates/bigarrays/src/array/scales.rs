//! The layer that an array is a scale of: opened again, and scales that are made beside it, first their chunks, and then their
//! entry in the metadata.

use std::sync::Arc;

use crate::array::Array;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::layout::Layout;
use crate::format::{self, CreateSpec, FormatOptions, Opened, ScaleSelector, StorageSpec};

impl Array {
    /// Whether elements of coarser scales begin at whole multiples of their size from coordinate 0 on, or where the first
    /// element of this one does.
    ///
    /// # Errors
    /// `Unsupported` if arrays of the format have no scales.
    pub(crate) fn scales_begin_at_zero(&self) -> Result<bool> {
        format::begin_at_zero(self.format()).map_err(|error| error.during("adding a scale to").at(self.url()))
    }

    /// As [`format::identity`], of the layer that is there now.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn identity(&self) -> Result<Option<String>> {
        format::identity((&self.stored.root, ""), &FormatOptions::default())
    }

    /// What an empty scale like this one is made of.
    pub(crate) fn scale_spec(&self) -> Result<CreateSpec> {
        let CreateSpec { mut array, storage } =
            format::like((&self.stored.root, "").into(), &self.of_scale(self.stored.scale))?;
        // What is multiplied for coarser scales is not guessed from their shapes.
        if array.resolution.is_none() && array.axes.is_none() {
            array.resolution = self.resolution().map(|known| known.size.to_vec());
        }
        Ok(format::of_scale(CreateSpec { array, storage: StorageSpec::default().or_like(storage, false) }))
    }

    /// The scales that `specs` describe: they can be read and written, and the layer lists each once [`Array::list_scale`]
    /// is called. Chunks that are there already are an error, unless an earlier run `is_begun`.
    ///
    /// # Errors
    /// Those of adding them.
    pub(crate) fn draft_scales<'a>(
        &self,
        specs: impl Iterator<Item = &'a CreateSpec>,
        is_begun: bool,
    ) -> Result<Vec<Self>> {
        self.expect_writable()?;
        let options = self.of_scale(self.stored.scale);
        let during = |error: Error| error.during("adding a scale to").at(self.url());
        let opened = format::draft_scales(self.format(), &self.stored.root, specs, &options, is_begun);
        Ok(opened.map_err(during)?.into_iter().map(|opened| self.beside(opened)).collect())
    }

    /// Has the layer list the scale that `spec` describes, whose chunks are there.
    ///
    /// # Errors
    /// Those of adding it.
    pub(crate) fn list_scale(&self, spec: &CreateSpec) -> Result<Self> {
        let options = self.of_scale(self.stored.scale);
        let during = |error: Error| error.during("adding a scale to").at(self.url());
        let opened = format::list_scale(self.format(), &self.stored.root, spec, &options);
        Ok(self.beside(opened.map_err(during)?))
    }

    /// Another scale of the layer, by position.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn open_scale(&self, scale: usize) -> Result<Self> {
        let opened = format::open((&self.stored.root, "").into(), &self.of_scale(scale))?;
        Ok(self.beside(opened))
    }

    /// A text that tells the layer from another that is there later, as far as its store knows versions.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn layer_identity(&self) -> Result<Option<String>> {
        let known = format::identity((&self.stored.root, ""), &self.of_scale(self.stored.scale))?;
        // Of a store that knows none, nothing is told from anything else.
        Ok(known.filter(|known| known.split(' ').all(|document| !document.ends_with('='))))
    }

    /// An error unless what is there now is this array still: neither removed since it was opened, nor made anew otherwise. It
    /// may have grown.
    ///
    /// # Errors
    /// `Storage` if it was; those of opening it.
    pub(crate) fn expect_as_opened(&self) -> Result<()> {
        // Files that are no folders of chunks are open as long as they are read.
        if format::by_name(self.format()).map_or(true, |format| format.documents().is_empty()) {
            return Ok(());
        }
        let was = |what: &str| {
            let reason = format!("it was {what} while it was read; what was made of it is not to be used");
            Err(Error::new(ErrorKind::Storage, reason).during("reading").at(self.url()))
        };
        let now = match format::open((&self.stored.root, "").into(), &self.of_scale(self.stored.scale)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return was("removed"),
            now => now?,
        };
        let own = self.layout();
        let is_same = Layout { grid: own.grid.clone(), ..now.layout.clone() }.config() == own.config()
            && now.layout.grid.chunk_shape() == own.grid.chunk_shape()
            && now.layout.domain().contains(own.domain());
        if is_same { Ok(()) } else { was("replaced by another array") }
    }

    /// Whether another array is stored in the same way: in chunks and shards of the same shape, encoding, type and keys.
    pub fn is_stored_as(&self, other: &Self) -> bool {
        let stored = |array: &Self| {
            // Metadata do not keep compression.
            let layout = Layout { content_encoding: ContentEncoding::Identity, ..array.layout().clone() };
            let last: Vec<u64> = layout.grid.shape().iter().map(|count| count.saturating_sub(1)).collect();
            (layout.config(), layout.chunk_key(&last), layout.order)
        };
        stored(self) == stored(other)
    }

    fn of_scale(&self, scale: usize) -> FormatOptions {
        FormatOptions {
            format: Some(self.format().to_owned()),
            scale: ScaleSelector::Index(scale),
            incomplete: true,
            content_encoding: self.layout().content_encoding,
            ..FormatOptions::default()
        }
    }

    fn beside(&self, opened: Opened) -> Self {
        // Of a cached store, the scale itself is read through the cache.
        let opened = match opened.scale == self.stored.scale {
            true => Opened { store: Arc::clone(&self.stored.store), ..opened },
            false => opened,
        };
        Self::from_opened(opened, self.url(), self.options().clone())
    }
}
