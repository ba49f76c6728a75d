//! What is copied to: an array that exists, or what a new one would be.

use bigarrays::format::{self, ScaleSelector};
use bigarrays::{Array, Domain, Error, ErrorKind, Result};

use crate::args::Axes;
use crate::commands::copy::source::Copier;
use crate::commands::mapped::Mapped;
use crate::commands::new::{New, move_to};

/// A source and what of the target takes it, two views of one shape.
pub(super) type Pair = (Array, Array);

impl Copier<'_> {
    /// What goes where in a target that exists; of several scales, in that of the same resolution.
    pub(super) fn existing(
        &self,
        selector: &ScaleSelector,
        part: Option<&Domain>,
        many: bool,
    ) -> Result<Pair> {
        let what = &self.args.what;
        let source = self.source(selector)?;
        let part = part.cloned().unwrap_or_else(|| source.domain().clone());
        let axes = what.dimension_names.clone().unwrap_or_else(|| Axes::of(&source));
        let cut = source.cut(&part)?;
        let mut target = self.target(what.to_scale.clone().unwrap_or_default())?;
        let mapped = Mapped::to_those_of(&target, &cut, &axes)?;
        if many {
            let sizes = mapped.nanometres().ok_or_else(|| Error::invalid("scales of unknown resolution"))?;
            target = self.target(mapped.along(&sizes, &Axes::of(&target), &1.0).into())?;
        }
        let to = self.destination(&mapped, &target)?;
        self.expect_dtype(&source, &target)?;
        if !target.domain().contains(&to) {
            let reason = format!("box {to} reaches outside the domain {}", target.domain());
            return Err(Error::new(ErrorKind::OutOfBounds, reason).during("copying into").at(target.url()));
        }
        let view = mapped.place_in(&target.cut(&to)?)?;
        Ok((mapped.view, view))
    }

    /// Opens a scale of the target.
    fn target(&self, scale: ScaleSelector) -> Result<Array> {
        let url = &self.args.target;
        let options = self.session.with(self.args.what.write.options());
        match options.scale(scale).open(url) {
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && format::identity(url, &self.session.format())?.is_none() =>
            {
                let reason = "DST does not exist; --create makes it, like SRC";
                Err(Error::new(ErrorKind::NotFound, reason).during("copying into").at(url))
            }
            opened => opened,
        }
    }

    /// The box of `target` that takes the elements of `mapped`.
    fn destination(&self, mapped: &Mapped, target: &Array) -> Result<Domain> {
        let (what, own) = (&self.args.what, Axes::of(target));
        let mut origin = mapped.along(mapped.view.domain().origin(), &own, &0);
        if let Some(to) = &what.to {
            move_to(&mut origin, &to.0, &own)?;
        }
        let said = what.to.as_ref().map_or(0, |to| to.0.len());
        let is_open = |at: &usize| mapped.axes.position(&own.0[*at]).is_none() && target.shape()[*at] > 1;
        if let Some(at) = (said..own.0.len()).find(is_open) {
            let (name, length) = (&own.0[at], target.shape()[at]);
            let reason =
                format!("SRC has no axis {name}, of which DST has {length} elements: say with --to where");
            return Err(Error::invalid(reason).during("copying into").at(target.url()));
        }
        Domain::new(&origin, &mapped.along(mapped.view.shape(), &own, &1))
    }

    /// An error if elements of another type are not meant to be cast.
    fn expect_dtype(&self, source: &Array, target: &Array) -> Result<()> {
        let (from, to) = (source.dtype(), target.dtype());
        if self.args.what.dtype.unwrap_or(from) == to {
            return Ok(());
        }
        let reason = format!("elements are of {to}, those of SRC of {from}; --dtype {to} casts them");
        Err(Error::invalid(reason).during("copying into").at(target.url()))
    }

    /// The source's box with the axes of the target, and what the target would be if it is to be made.
    pub(super) fn planned(&self, selector: &ScaleSelector, part: Option<&Domain>) -> Result<New> {
        let what = &self.args.what;
        let source = self.source(selector)?;
        let axes = what.dimension_names.clone().unwrap_or_else(|| Axes::of(&source));
        let part = part.cloned().unwrap_or_else(|| source.domain().clone());
        let cut = source.cut(&part)?;
        let mut like = cut.like(self.session.open().scale(selector.clone()).like(&self.args.source)?);
        if let Some(dtype) = what.dtype.filter(|dtype| *dtype != like.array.dtype) {
            // The others are of the type.
            (like.array.dtype, like.array.fill_value, like.storage.codecs) = (dtype, None, None);
        }
        // Whoever says that there is to be none is not to get that of the source.
        like.storage.content_encoding =
            like.storage.content_encoding.filter(|_| what.write.content_encoding.is_none());
        let to = what.to.as_ref().map(|to| to.0.as_slice());
        let format = what.new.format(&cut, &self.args.target)?;
        let new = New::plan(&what.new, format, &cut, &axes, like, &what.layer, to)?;
        self.note_raw(&source, &new);
        Ok(new)
    }

    /// Says so if the new array stores as they are elements that `source` has encoded.
    fn note_raw(&self, source: &Array, new: &New) {
        let New { spec, format, .. } = new;
        let is_raw = spec.storage.codecs.is_none()
            && spec.storage.encoding.as_deref().is_none_or(|name| name == "raw");
        let names: Vec<&str> = source.layout().codecs.names().collect();
        if is_raw && names != ["raw"] && !self.args.what.layer.says_encoding() {
            let names = names.join(" + ");
            self.session.terminal.note(format_args!(
                "elements are stored raw in {format}, not as {names}; --encoding says otherwise"
            ));
        }
    }
}
