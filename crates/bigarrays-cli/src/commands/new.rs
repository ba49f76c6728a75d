//! New arrays that are like a source: their axes, their box, and how they are stored.

use std::path::Path;

use bigarrays::compute::{Earlier, Journal, Lazy};
use bigarrays::format::{self, ArraySpec, Create, StorageSpec};
use bigarrays::{Array, CreateSpec, DataType, Domain, Error, ErrorKind, OpenOptions, Result};

use crate::args::{Axes, LayerArgs, NewArgs};
use crate::commands::mapped::Mapped;
use crate::output::counted;
use crate::session::Session;

/// A source, and the new array that it goes to.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) mapped: Mapped,
    pub(crate) spec: CreateSpec,
    pub(crate) format: &'static str,
    /// What the source says and the new array cannot, each a sentence.
    pub(crate) lost: Vec<String>,
}

impl New {
    /// The array for `source`, whose axes are `axes`: like the array of which `like` says what it would be
    /// made of, but for what `layer` says, to be made as `format` has it. Its first element goes to `to`, along the new axes.
    ///
    /// # Errors
    /// `InvalidArgument` if axes do not go together.
    pub(crate) fn plan(
        args: &NewArgs,
        format: &dyn Create,
        source: &Array,
        axes: &Axes,
        like: CreateSpec,
        layer: &LayerArgs,
        to: Option<&[i64]>,
    ) -> Result<New> {
        let is_layer = format.holds().fixed_axes().is_some();
        let mapped = mapped(args, source, axes, format)?;
        let new = if is_layer { mapped.layer_axes() } else { mapped.axes.clone() };
        let along = |values: Vec<u64>| along(&values, axes, &new, 1);
        let names = names(source, axes, &new, format.holds().names_axes());
        let is_permuted = mapped.axes.0.iter().ne(axes.0.iter().filter(|name| mapped.axes.0.contains(name)));
        let array = ArraySpec {
            domain: place(&mapped, &new, to)?,
            resolution: like.array.resolution.map(|sizes| self::along(&sizes, axes, &new, 1.0)),
            origin: like.array.origin.map(|origin| self::along(&origin, axes, &new, 0)),
            dimension_names: names.iter().any(Option::is_some).then_some(names),
            ..like.array
        };
        let storage = StorageSpec {
            chunk_shape: like.storage.chunk_shape.map(along),
            shard_shape: like.storage.shard_shape.map(along),
            ..like.storage
        };
        let storage = if is_permuted { storage.for_permuted_axes(array.dtype) } else { storage };
        let (fitted, lost) = format::fit(format, CreateSpec { array, storage }, source.format());
        let mut spec = layer.over(fitted);
        if is_layer {
            spec.array.dimension_names = None;
        }
        if to.is_some() {
            // Asked for, and refused if the format has no such place.
            (spec.array.domain, spec.array.origin) = (place(&mapped, &new, to)?, None);
        }
        Ok(New { mapped, spec, format: format.name(), lost })
    }
}

/// The array at `source`, and what a new array of labels like it would be at `target`, of `dtype` if it is given.
///
/// # Errors
/// Those of opening it; `InvalidArgument` if axes do not go together.
pub(crate) fn labels_source(
    source: &str,
    target: &str,
    dtype: Option<DataType>,
    (new, layer): (&NewArgs, &LayerArgs),
    session: &Session,
) -> Result<New> {
    let target = new_layer(target)?;
    let array = session.open().read_only(true).open(source)?;
    let like = array.like(session.open().like(source)?);
    let are_labels = like.array.labels == Some(true);
    let like = labels_like(&array, like, dtype.unwrap_or(array.dtype()));
    Lazy::of(&array)?.expect_apart(target, &session.open())?;
    let format = new.format_of_labels(&array, target)?;
    let mut made = New::plan(new, format, &array, &Axes::of(&array), like, layer, None)?;
    // A format has no place for it that would be fitted.
    made.spec.array.incomplete = true;
    // What the source does not say is not lost.
    made.lost.retain(|note| are_labels || !note.ends_with("that elements are labels"));
    made.lost.iter().for_each(|note| session.terminal.note(note));
    Ok(made)
}

/// What an array of labels like `source` would be made of, of which `like` says what it is made of. Of another type, elements are raw
/// unless something else is asked for: codecs of images may have no numbers of so many bits.
fn labels_like(source: &Array, mut like: CreateSpec, dtype: DataType) -> CreateSpec {
    let is_of_labels = matches!(source.dtype(), DataType::U32 | DataType::U64);
    like.storage = like.storage.lossless(source.layout());
    (like.array.labels, like.array.incomplete) = (Some(true), true);
    if like.array.dtype != dtype {
        (like.array.dtype, like.array.fill_value) = (dtype, None);
        let storage = &mut like.storage;
        (storage.codecs, storage.level, storage.content_encoding) = (None, None, None);
        storage.encoding = storage.encoding.take().filter(|_| is_of_labels);
    }
    like
}

/// The source, its axes in the order in which `format` has them or as `args` say.
///
/// # Errors
/// `InvalidArgument` if axes do not go together, or the format has axes of its own.
fn mapped(args: &NewArgs, source: &Array, axes: &Axes, format: &dyn Create) -> Result<Mapped> {
    let fixed = format.holds().fixed_axes();
    match &args.transpose {
        Some(wanted) if fixed.is_none() => Mapped::to(source, axes, wanted.clone()),
        Some(_) => {
            let axes = fixed.unwrap_or_default().join(",");
            Err(Error::invalid(format!(
                "arrays of {} have the axes {axes}; say with --dimension-names which are which",
                format.name()
            )))
        }
        None if fixed.is_some() => Mapped::to_layer(source, axes),
        None if format::keeps_order(format, source.format(), source.order()) => {
            Mapped::to(source, axes, axes.clone())
        }
        None => Mapped::to(source, axes, Axes(axes.0.iter().rev().cloned().collect())),
    }
}

/// The values that a source with `axes` has along the axes `new`, and `other` along those that it does not have.
fn along<T: Copy>(values: &[T], axes: &Axes, new: &Axes, other: T) -> Vec<T> {
    let own = |name: &String| axes.position(name).and_then(|at| values.get(at)).copied();
    new.0.iter().map(|name| own(name).unwrap_or(other)).collect()
}

/// The names of the axes `new`. A name that nobody gave is left out, unless every axis `must` have one.
fn names(source: &Array, axes: &Axes, new: &Axes, must: bool) -> Vec<Option<String>> {
    let is_invented = |name: &str| match axes.position(name) {
        Some(at) if *axes == Axes::of(source) => source.dimension_names()[at].is_none(),
        _ => false,
    };
    new.0.iter().map(|name| Some(name.clone()).filter(|name| must || !is_invented(name))).collect()
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
        return Err(Error::invalid(format!(
            "--to has {}, for the axes {axes}",
            counted(to.len(), "coordinate")
        )));
    }
    origin[..to.len()].copy_from_slice(to);
    Ok(())
}

/// `url`, unless it names a file of another kind: a layer is a folder.
///
/// # Errors
/// `InvalidArgument` that says what writes such a file.
pub(crate) fn new_layer(url: &str) -> Result<&str> {
    const FILES: [&str; 6] = ["npy", "tif", "tiff", "png", "jpg", "jpeg"];
    let extension = Path::new(url).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if FILES.iter().any(|file| file.eq_ignore_ascii_case(extension)) {
        let reason = format!("a layer is a folder, not a .{extension} file; `bigarrays export` writes files");
        return Err(Error::invalid(reason).during("creating").at(url));
    }
    Ok(url)
}

/// The layer that `spec` describes, made in memory: what is asked for is found out without touching `url`.
///
/// # Errors
/// Those of making it there.
pub(crate) fn rehearsed(url: &str, spec: &CreateSpec, format: &str) -> Result<Array> {
    let none = || Error::unsupported(format!("{format} needs a file")).at(url);
    OpenOptions::new().format(format).rehearse(url, spec)?.ok_or_else(none)
}

/// The array that an earlier run has begun at `url`, or a new one.
///
/// # Errors
/// `AlreadyExists` if there is another; those of making it.
pub(crate) fn taken_up(
    url: &str,
    spec: &CreateSpec,
    options: &OpenOptions,
    journal: Option<&Journal>,
) -> Result<Array> {
    let Some(journal) = journal else { return options.create(url, spec) };
    let earlier = journal.earlier(url);
    let begun = || {
        let array = options.clone().incomplete(true).open(url)?;
        if array.incomplete().is_none() && !journal.is_done() {
            let reason = "what is there is complete, and not what this command has begun";
            return Err(Error::new(ErrorKind::AlreadyExists, reason).during("writing to").at(url));
        }
        Ok(array)
    };
    if earlier == Earlier::Made {
        match begun() {
            // It was removed since.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            begun => return begun,
        }
    }
    let array = match options.create(url, spec) {
        // A run may have been killed before it noted that it had made it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && earlier != Earlier::None => begun()?,
        array => array?,
    };
    journal.note_made(url)?;
    Ok(array)
}
