//! New arrays that are like a source: their axes, their box, and how they are stored.

use bigarrays::format::{self, Create, Format, Precomputed};
use bigarrays::{Array, CreateSpec, Domain, Error, Result};
use clap::Args;

use crate::axes::{self, Axes, Mapped};
use crate::layer::LayerArgs;

/// Which format a new array has, and in which order its axes stand.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewArgs {
    /// The format of the new array: precomputed, zarr3, zarr2, ome-zarr, ome-zarr-0.4 or n5 [default: that of
    /// the source if it is one of these, or precomputed]
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    /// The axes of the new array in its order, of those of the source; axes of one element can be left out.
    /// [default: x,y,z and maybe c for precomputed; otherwise those of the source, with the one along which
    /// elements lie next to each other first for N5, last for Zarr]
    #[arg(long, value_name = "NAMES", value_parser = axes::parse)]
    transpose: Option<Axes>,
}

/// A source, and the new array that it goes to.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) mapped: Mapped,
    pub(crate) spec: CreateSpec,
    pub(crate) format: &'static str,
    /// What the source says and the new array cannot, each a sentence.
    pub(crate) lost: Vec<String>,
}

impl NewArgs {
    /// The first option that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let transpose = self.transpose.as_ref().map(|_| "--transpose");
        self.format.as_ref().map(|_| "--format").or(transpose)
    }

    /// The format of an array made from `source`.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such format, or it is not of chunks.
    fn format(&self, source: &Array) -> Result<&'static dyn Create> {
        match &self.format {
            Some(name) => format::creator(name),
            None => Ok(format::same_or_default(source.format())),
        }
    }

    /// The array for `source`, whose axes are `axes`: like the array of which `like` says what it would be
    /// made of, but for what `layer` says. Its first element goes to `to`, along the new axes.
    ///
    /// # Errors
    /// `InvalidArgument` if axes do not go together.
    pub(crate) fn plan(
        &self,
        source: &Array,
        axes: &Axes,
        like: CreateSpec,
        layer: &LayerArgs,
        to: Option<&[i64]>,
    ) -> Result<New> {
        let format = self.format(source)?;
        let is_layer = format.name() == Precomputed.name();
        let mapped = match &self.transpose {
            Some(wanted) if !is_layer => Mapped::to(source, axes, wanted.clone())?,
            Some(_) => {
                let message = "a precomputed layer has the axes x,y,z; say with --axes which are which";
                return Err(Error::invalid(message));
            }
            None if is_layer => Mapped::to_layer(source, axes)?,
            None if format.order() == source.order() || format.name() == source.format() => {
                Mapped::to(source, axes, axes.clone())?
            }
            None => Mapped::to(source, axes, Axes(axes.0.iter().rev().cloned().collect()))?,
        };
        let new = if is_layer { mapped.layer_axes() } else { mapped.axes.clone() };
        // As the source has them, then as the view has them, then as the new array has them.
        fn own<T: Copy>(values: &[T], axes: &Axes, new: &Axes, other: T) -> Vec<T> {
            let own = |name: &String| axes.position(name).and_then(|at| values.get(at)).copied();
            new.0.iter().map(|name| own(name).unwrap_or(other)).collect()
        }
        let along = |values: Vec<u64>| own(&values, axes, &new, 1);
        // Names that nobody gave are not written, but where there must be some.
        let is_invented = |name: &str| match axes.position(name) {
            Some(at) if *axes == Axes::of(source) => source.dimension_names()[at].is_none(),
            _ => false,
        };
        let name =
            |name: &String| Some(name.clone()).filter(|name| format.names_axes() || !is_invented(name));
        let names: Vec<Option<String>> = new.0.iter().map(name).collect();
        let is_permuted = mapped.axes.0.iter().ne(axes.0.iter().filter(|name| mapped.axes.0.contains(name)));
        let like = CreateSpec {
            domain: place(&mapped, &new, to)?,
            chunk: like.chunk.clone().map(along),
            shard: like.shard.clone().map(along),
            codecs: like.codecs.clone().filter(|codecs| !is_permuted || is_free(codecs)),
            resolution: mapped.nanometres().map(|sizes| mapped.along(&sizes, &new, &1.0)),
            origin: like.origin.clone().map(|origin| own(&origin, axes, &new, 0)),
            dimension_names: names.iter().any(Option::is_some).then_some(names),
            ..like
        };
        let (fitted, lost) = format::fit(format, like, source.format());
        let spec = layer.over(fitted);
        let spec = if is_layer { CreateSpec { dimension_names: None, ..spec } } else { spec };
        let spec = match to {
            // Asked for, and refused if the format has no such place.
            Some(_) => CreateSpec { domain: place(&mapped, &new, to)?, origin: None, ..spec },
            None => spec,
        };
        Ok(New { mapped, spec, format: format.name(), lost })
    }
}

/// Whether codecs do the same whatever the axes are: plain elements, compressed.
fn is_free(codecs: &serde_json::Value) -> bool {
    const FREE: [&str; 6] = ["bytes", "blosc", "gzip", "zstd", "crc32c", "numcodecs.zlib"];
    let is_one =
        |codec: &serde_json::Value| FREE.iter().any(|free| codec.get("name").unwrap_or(codec) == free);
    codecs.as_array().is_some_and(|codecs| codecs.iter().all(is_one))
}

/// The box along the axes `new` that takes the elements of `mapped`, which start at `to` there.
fn place(mapped: &Mapped, new: &Axes, to: Option<&[i64]>) -> Result<Domain> {
    let domain = mapped.view.domain();
    let mut origin = mapped.along(domain.origin(), new, &0);
    if let Some(at) = new.position("c").filter(|&at| at == 3) {
        // A new layer has the channels of the box and no others.
        origin[at] = 0;
    }
    if let Some(to) = to {
        move_to(&mut origin, to, new)?;
    }
    Domain::new(&origin, &mapped.along(domain.shape(), new, &1))
}

/// Puts what `--to` says into `origin`, the coordinates along `axes`: all, or those of a point in space.
pub(crate) fn move_to(origin: &mut [i64], to: &[i64], axes: &Axes) -> Result<()> {
    if to.len() != origin.len() && to.len() != 3.min(origin.len()) {
        return Err(Error::invalid(format!("--to has {} coordinates, for the axes {axes}", to.len())));
    }
    origin[..to.len()].copy_from_slice(to);
    Ok(())
}
