//! Scales that are made beside the one that an array is: first their chunks, and then their entry in the metadata.

use std::sync::Arc;

use crate::array::Array;
use crate::base::error::{Error, Result};
use crate::format::{self, CreateSpec, FormatOptions, Opened, ScaleSelector};

impl Array {
    /// Whether elements of coarser scales begin at whole multiples of their size from coordinate 0 on, or where the first
    /// element of this one does.
    ///
    /// # Errors
    /// `Unsupported` if arrays of the format have no scales.
    pub(crate) fn scales_begin_at_zero(&self) -> Result<bool> {
        format::begin_at_zero(self.format()).map_err(|error| error.during("adding a scale to").at(self.url()))
    }

    /// What an empty scale like this one is made of.
    pub(crate) fn scale_spec(&self) -> Result<CreateSpec> {
        let spec = format::like((&self.stored.root, "").into(), &self.of_scale(self.stored.scale))?;
        Ok(format::of_scale(spec))
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
    pub(crate) fn open_scale(&self, scale: usize) -> Result<Self> {
        let opened = format::open((&self.stored.root, "").into(), &self.of_scale(scale))?;
        Ok(self.beside(opened))
    }

    fn of_scale(&self, scale: usize) -> FormatOptions {
        let scale = ScaleSelector::Index(scale);
        FormatOptions {
            format: Some(self.format().to_owned()),
            scale,
            incomplete: true,
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
