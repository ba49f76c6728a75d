//! What is done with whatever is at an address: the format is found, and asked.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::absent::{none_at, nothing_at};
use super::address::{Address, Located};
use super::below::Below;
use super::document::{DOCUMENTS, check_attributes};
use super::fit::{expect_held, expect_held_of_scale};
use super::probe::Probe;
use super::registry;
use super::scale::ScaleSelector;
use super::spec::CreateSpec;
use super::traits::{Attributes, Create, Format, FormatOptions, Node, Opened, Scales};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{self, Draft, Extent, Get, Part, Store, Value as Stored, Wanted, slices_in_words};

/// Has errors say what was done, and where.
pub(super) fn context<'a>(during: &'static str, address: Address<'a>) -> impl Fn(Error) -> Error + 'a {
    move |error| error.during(during).at(address.shown())
}

/// The first answer of the formats that may be there.
fn first<T>(
    located: &Located,
    probe: &Probe,
    ask: impl Fn(&'static dyn Format, &Probe) -> Result<Option<T>>,
) -> Result<Option<T>> {
    for format in &located.formats {
        if let Some(answer) = ask(*format, probe)? {
            return Ok(Some(answer));
        }
    }
    // Whether there is something, nobody knows.
    probe.refusal().map_or(Ok(None), Err)
}

/// Opens what is at `address` with the first format that knows it.
pub(crate) fn open(address: Address<'_>, options: &FormatOptions) -> Result<Opened> {
    let found = || {
        let located = address.locate(options)?;
        let opened = first(&located, &located.probe()?, |format, probe| format.open(probe, options))?;
        let opened = opened.ok_or_else(|| nothing_at(&located))?;
        match &opened.incomplete {
            Some(known) if !options.incomplete => Err(known.refused()),
            _ => Ok(Opened { root: located.store, ..opened }),
        }
    };
    found().map_err(context("opening", address))
}

/// The store rooted at the place that `address` names, whatever is there: a URL may name a format as well.
///
/// # Errors
/// `Unsupported` for an unknown kind of URL; `InvalidArgument` if it names another format than the options do.
pub fn store_at<'a>(address: impl Into<Address<'a>>, options: &FormatOptions) -> Result<Arc<dyn Store>> {
    let address = address.into();
    address.locate(options).map(|located| located.store).map_err(context("opening", address))
}

/// What the metadata at `address` have that their format forbids, although they can be read.
pub(crate) fn problems(address: Address<'_>, options: &FormatOptions) -> Result<Vec<String>> {
    let found = || {
        let located = address.locate(options)?;
        let probe = located.probe()?;
        located.formats.iter().try_fold(Vec::new(), |mut all, format| {
            all.extend(format.problems(&probe)?);
            Ok(all)
        })
    };
    found().map_err(context("verifying", address))
}

/// The format in which something new is made: the one that is named, of a family the first that `makes` such.
fn for_new(
    formats: &[&'static dyn Format],
    is_named: bool,
    default: &'static dyn Format,
    makes: impl Fn(&&'static dyn Format) -> bool,
) -> &'static dyn Format {
    match formats {
        [only] => *only,
        all if is_named => {
            // Plain arrays, which groups hold, rather than images of several scales.
            let is_array = |format: &&&'static dyn Format| makes(format) && format.groups().is_some();
            let found = all.iter().find(is_array).or_else(|| all.iter().find(|format| makes(format)));
            found.copied().unwrap_or(default)
        }
        _ => default,
    }
}

/// The format in which [`OpenOptions::create`](crate::OpenOptions::create) makes an array of chunks at `address` that is
/// like one of the format `from`: this if the address and the options leave it, or else as for any new array.
///
/// # Errors
/// `InvalidArgument` if the address and the options name different formats, or one that makes no arrays of chunks.
pub fn format_of_new<'a>(
    address: impl Into<Address<'a>>,
    from: &str,
    options: &FormatOptions,
) -> Result<&'static dyn Create> {
    for_like(address.into(), from, options, registry::DEFAULT)
}

/// The format of a new array that a job makes of one of the format `from`, whose axes have these names: as [`format_of_new`], but Zarr 3
/// if nothing names a format, `from` makes no arrays of chunks, and the axes are not those of a precomputed layer.
///
/// # Errors
/// As [`format_of_new`].
pub fn format_of_result<'a>(
    address: impl Into<Address<'a>>,
    from: &str,
    axes: &[&str],
    options: &FormatOptions,
) -> Result<&'static dyn Create> {
    let is_layer = ["x", "y", "z"].iter().all(|axis| axes.contains(axis))
        && axes.iter().all(|axis| matches!(*axis, "x" | "y" | "z" | "c" | "channel" | "s"));
    let default = if is_layer { registry::DEFAULT } else { registry::DEFAULT_OF_GROUPS };
    for_like(address.into(), from, options, default)
}

/// The format of a new array like one of the format `from`: this, or else what the address and the options name, or `default`.
fn for_like(
    address: Address<'_>,
    from: &str,
    options: &FormatOptions,
    default: &'static dyn Format,
) -> Result<&'static dyn Create> {
    let found = || {
        let (formats, is_named) = address.formats(options)?;
        let makes = |format: &&'static dyn Format| format.creates().is_some();
        if let Some(same) = registry::creators().find(|format| format.name() == from)
            && formats.iter().any(|format| format.name() == from)
        {
            return Ok(same);
        }
        registry::creator(for_new(&formats, is_named, default, makes).name())
    };
    found().map_err(context("creating", address))
}

/// How `format` makes arrays.
fn create_with(format: &'static dyn Format) -> Result<&'static dyn Create> {
    format.creates().ok_or_else(|| Error::unsupported(format!("creating {} arrays", format.name())))
}

/// The compression around chunks, which options say before `spec` does, in both.
fn compressed(spec: &CreateSpec, options: &FormatOptions) -> (CreateSpec, FormatOptions) {
    let named = Some(options.content_encoding).filter(|encoding| *encoding != ContentEncoding::Identity);
    let (mut spec, mut options) = (spec.clone(), options.clone());
    spec.storage.content_encoding = named.or(spec.storage.content_encoding);
    options.content_encoding = spec.storage.content_encoding.unwrap_or_default();
    (spec, options)
}

/// Creates an array at `address`, in the default format unless the options or the address name another.
pub(crate) fn create(address: Address<'_>, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
    let created = || {
        let located = address.locate(options)?;
        check_attributes(spec.array.attributes.as_ref())?;
        let makes = |format: &&'static dyn Format| format.creates().is_some();
        let format = create_with(for_new(&located.formats, located.is_named, registry::DEFAULT, makes))?;
        let (spec, options) = compressed(spec, options);
        expect_held(format, &spec)?;
        expect_no_other(format, &located.store)?;
        let opened = format.create(&located.store, &spec, &options)?;
        Ok(Opened { root: located.store, ..noted(opened, &spec) })
    };
    created().map_err(context("creating", address))
}

/// An error if there are documents of another format: whoever opened it would find what they say.
fn expect_no_other(format: &dyn Create, store: &Arc<dyn Store>) -> Result<()> {
    let all = registry::BUILTIN.iter().flat_map(|format| format.documents()).copied();
    let others: Vec<&str> = all.filter(|key| !format.documents().contains(key)).collect();
    let probe = Probe::read(store, others.iter().copied())?;
    for key in others {
        if probe.has(key)? {
            let reason = format!("there is something of another format here, {key}; remove it first");
            return Err(Error::new(ErrorKind::AlreadyExists, reason));
        }
    }
    Ok(())
}

/// What was made of `spec`, which says so if it is not marked as incomplete.
fn noted(mut opened: Opened, spec: &CreateSpec) -> Opened {
    if spec.array.incomplete && opened.incomplete.is_none() {
        let note = "has no place for a mark: until all is written, nothing says that the array is incomplete";
        opened.notes.push(format!("{} {note}", opened.format));
    }
    opened
}

/// Takes away the mark of an array of this format, which was opened at the root of `store`, as the scale of this key if
/// there are scales.
///
/// # Errors
/// Those of [`Complete::complete`](super::Complete::complete).
pub(crate) fn complete(format: &str, store: &Arc<dyn Store>, scale: Option<&str>) -> Result<()> {
    match registry::by_name(format)?.completes() {
        Some(completes) => completes.complete(store, scale),
        None => Ok(()),
    }
}

impl Located {
    /// The names of the formats that may be there.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.formats.iter().map(|format| format.name()).collect();
        names.join(if self.is_named { " or " } else { ", " })
    }

    /// The format that knows what is there, be it damaged; that of new arrays if none does, none is named, and there are no
    /// slices of names.
    fn known_or_default(&self, options: &FormatOptions) -> Result<&'static dyn Format> {
        match self.known(&self.probe()?, options)? {
            Some(format) => Ok(format),
            None if self.is_named || self.store.local_path().and_then(slices_in_words).is_some() => {
                Err(nothing_at(self))
            }
            None => Ok(registry::DEFAULT),
        }
    }

    /// The format that knows what is there, be it damaged.
    fn known(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<&'static dyn Format>> {
        if let [only] = &self.formats[..] {
            return Ok(Some(*only));
        }
        let knows = |format: &&&'static dyn Format| !matches!(format.open(probe, options), Ok(None));
        match self.formats.iter().find(knows) {
            None => probe.refusal().map_or(Ok(None), Err),
            found => Ok(found.copied()),
        }
    }
}

/// What an empty array like the one at `address` would be made of.
pub(crate) fn like(address: Address<'_>, options: &FormatOptions) -> Result<CreateSpec> {
    let found = || {
        let located = address.locate(options)?;
        let like = |format: &'static dyn Format, probe: &Probe| match format.creates() {
            Some(creates) => creates.like(probe, options),
            None => Ok(format.open(probe, options)?.map(|opened| CreateSpec::of(&opened.layout))),
        };
        first(&located, &located.probe()?, like)?
            .ok_or_else(|| none_at(&*located.store, "there is no array here"))
    };
    found().map_err(context("opening", address))
}

/// A text that tells the layer at `address` from another that is there later, as far as its store knows versions:
/// those of its metadata. `None` if there is none.
///
/// # Errors
/// A storage error.
pub fn identity<'a>(address: impl Into<Address<'a>>, options: &FormatOptions) -> Result<Option<String>> {
    let store = address.into().locate(options)?.store;
    let named =
        |key: &&str| Get { version: Wanted::Named, probe: true, ..Get::new(*key, Part::Presence, u64::MAX) };
    let answers = store.get_all(&DOCUMENTS.iter().map(named).collect::<Vec<_>>())?;
    let version = |(key, answer): (&&str, Option<Stored>)| {
        let value = answer.filter(|value| value.extent != Extent::Refused)?;
        Some(format!("{key}={}", value.version.as_deref().map_or("", store::settled)))
    };
    let mut found: Vec<String> = DOCUMENTS.iter().zip(answers).filter_map(version).collect();
    found.sort_unstable();
    Ok(Some(found.join(" ")).filter(|text| !text.is_empty()))
}

/// Adds a scale to the layer at `address`.
pub(crate) fn add_scale(address: Address<'_>, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
    let added = || {
        let located = address.locate(options)?;
        let format = located.known_or_default(options)?;
        let none = || Error::unsupported(format!("{} arrays have no scales", format.name()));
        let format = format.scales().ok_or_else(none)?;
        let (spec, options) = compressed(spec, options);
        expect_held_of_scale(format, &spec)?;
        let opened = format.add_scale(&located.store, &spec, &options)?;
        Ok(Opened { root: located.store, ..noted(opened, &spec) })
    };
    added().map_err(context("adding a scale to", address))
}

/// The scales that `specs` describe, of the layer of this format at the root of `store`, which does not list them. Chunks that
/// are there are an error, unless an earlier run `is_begun`.
///
/// # Errors
/// As [`add_scale`].
pub(crate) fn draft_scales<'a>(
    format: &str,
    store: &Arc<dyn Store>,
    specs: impl Iterator<Item = &'a CreateSpec>,
    options: &FormatOptions,
    is_begun: bool,
) -> Result<Vec<Opened>> {
    let draft = Draft::over(store, is_begun);
    // Each finds those before it.
    let shown: Arc<dyn Store> = Arc::new(draft.clone());
    let one = |spec: &CreateSpec| {
        Ok(Opened { root: Arc::clone(store), ..new_scale(format, &shown, spec, options)? })
    };
    let opened = specs.map(one).collect::<Result<_>>()?;
    draft.end();
    Ok(opened)
}

/// Has the layer of this format at the root of `store` list the scale that `spec` describes, whose chunks are there.
///
/// # Errors
/// As [`add_scale`].
pub(crate) fn list_scale(
    format: &str,
    store: &Arc<dyn Store>,
    spec: &CreateSpec,
    options: &FormatOptions,
) -> Result<Opened> {
    // What is there already is not in the way.
    let unlisted = Draft::over(store, true);
    unlisted.end();
    let unlisted: Arc<dyn Store> = Arc::new(unlisted);
    Ok(Opened { root: Arc::clone(store), ..new_scale(format, &unlisted, spec, options)? })
}

/// Whether elements of coarser scales of this format begin at whole multiples of their size from coordinate 0 on.
///
/// # Errors
/// `Unsupported` if its arrays have no scales.
pub(crate) fn begin_at_zero(format: &str) -> Result<bool> {
    Ok(scales_of(format)?.begins_at_zero())
}

fn scales_of(format: &str) -> Result<&'static dyn Scales> {
    let none = || Error::unsupported(format!("{format} arrays have no scales"));
    registry::by_name(format)?.scales().ok_or_else(none)
}

fn new_scale(
    format: &str,
    store: &Arc<dyn Store>,
    spec: &CreateSpec,
    options: &FormatOptions,
) -> Result<Opened> {
    let format = scales_of(format)?;
    let (spec, options) = compressed(spec, options);
    expect_held_of_scale(format, &spec)?;
    format.add_scale(store, &spec, &options)
}

/// Removes the layer at `address`, or one scale of it. If there is none, what an earlier removal that was cut short has
/// left there is removed. Of a layer that is a link to another place, the link is removed and nothing else.
///
/// # Errors
/// `NotFound` if there is none; `Unsupported` if the format cannot.
pub fn remove<'a>(
    address: impl Into<Address<'a>>,
    scale: Option<&ScaleSelector>,
    options: &FormatOptions,
) -> Result<()> {
    let address = address.into();
    let located = address.locate(options).map_err(context("removing", address))?;
    let removed = || {
        let format = located.known_or_default(options)?;
        let cannot = || Error::unsupported(format!("removing {} arrays", format.name()));
        format.removes().ok_or_else(cannot)?.remove(&located.store, scale)
    };
    let removed = removed();
    let is_nothing = matches!(&removed, Err(error) if error.kind() == ErrorKind::NotFound) && scale.is_none();
    match if is_nothing { Below::remains(address, options)? } else { None } {
        Some(remains) => remains.remove_own(&mut |_| {}),
        None => removed.map_err(context("removing", address)),
    }
}

/// What the group at `address` holds, at any depth.
///
/// # Errors
/// `NotFound` if there is no group; those of [`Groups::list`].
pub fn list<'a>(address: impl Into<Address<'a>>, options: &FormatOptions) -> Result<Vec<Node>> {
    let address = address.into();
    let listed = || {
        let located = address.locate(options)?;
        let list = |format: &'static dyn Format, probe: &Probe| match format.groups() {
            Some(groups) => groups.list(probe),
            None => Ok(None),
        };
        first(&located, &located.probe()?, list)?
            .ok_or_else(|| none_at(&*located.store, "there is no group here"))
    };
    listed().map_err(context("listing", address))
}

/// What the group at `address` holds, at any depth, as it is stored, and where copies of metadata contradict that;
/// `None` if there is no group.
///
/// # Errors
/// A storage error, also where the store cannot list.
pub(crate) fn survey(
    address: Address<'_>,
    options: &FormatOptions,
) -> Result<Option<(Vec<Node>, Vec<String>)>> {
    let surveyed = || {
        let located = address.locate(options)?;
        let survey = |format: &'static dyn Format, probe: &Probe| match format.groups() {
            Some(groups) => groups.survey(probe),
            None => Ok(None),
        };
        first(&located, &located.probe()?, survey)
    };
    surveyed().map_err(context("verifying", address))
}

/// Creates a group at `address`, of Zarr 3 unless the options or the address name another format, and says the name of its
/// format.
///
/// # Errors
/// `Unsupported` if the format has no groups; those of [`Groups::create_group`].
pub fn create_group<'a>(
    address: impl Into<Address<'a>>,
    attributes: &Map<String, Value>,
    options: &FormatOptions,
) -> Result<&'static str> {
    let address = address.into();
    let created = || {
        let located = address.locate(options)?;
        let makes = |format: &&'static dyn Format| format.groups().is_some();
        let format = for_new(&located.formats, located.is_named, registry::DEFAULT_OF_GROUPS, makes);
        let none = || Error::unsupported(format!("{} has no groups", format.name()));
        check_attributes(Some(attributes))?;
        format.groups().ok_or_else(none)?.create_group(&located.store, attributes)?;
        Ok(format.name())
    };
    created().map_err(context("creating", address))
}

fn no_attributes(store: &dyn Store) -> Error {
    none_at(store, "there is nothing here that has attributes")
}

/// The user's attributes of the array or group at `address`.
///
/// # Errors
/// `NotFound` if there is nothing of a format that has attributes.
pub fn attributes<'a>(
    address: impl Into<Address<'a>>,
    options: &FormatOptions,
) -> Result<Map<String, Value>> {
    let address = address.into();
    let found = || {
        let located = address.locate(options)?;
        let read = |format: &'static dyn Format, probe: &Probe| match format.attributes() {
            Some(attributes) => attributes.read(probe),
            None => Ok(None),
        };
        first(&located, &located.probe()?, read)?.ok_or_else(|| no_attributes(&*located.store))
    };
    found().map_err(context("reading attributes of", address))
}

/// Adds `new` to the user's attributes of the array or group at `address`; those of a name that is there
/// are replaced, and those that `new` has as null removed.
///
/// # Errors
/// As [`attributes`]; a storage error.
pub fn update_attributes<'a>(
    address: impl Into<Address<'a>>,
    new: &Map<String, Value>,
    options: &FormatOptions,
) -> Result<()> {
    let address = address.into();
    let merge = |mut old: Map<String, Value>| {
        for (name, value) in new {
            // Another one that is null stays.
            if value.is_null() {
                old.remove(name)
            } else {
                old.insert(name.clone(), value.clone())
            };
        }
        old
    };
    let changed = || {
        let located = address.locate(options)?;
        let has = |format: &'static dyn Format, probe: &Probe| -> Result<Option<&'static dyn Attributes>> {
            let Some(attributes) = format.attributes() else { return Ok(None) };
            Ok(attributes.read(probe)?.map(|_| attributes))
        };
        check_attributes(Some(new))?;
        let found = first(&located, &located.probe()?, has)?.ok_or_else(|| no_attributes(&*located.store))?;
        found.change(&located.store, &merge)
    };
    changed().map_err(context("changing attributes of", address))
}

/// Whether arrays of the format of this name can be given another shape.
pub(crate) fn resizes(name: &str) -> bool {
    registry::by_name(name).is_ok_and(|format| format.resizes().is_some())
}

/// Gives the array at `address` another shape; see [`OpenOptions::resize`](crate::OpenOptions::resize).
pub(crate) fn resize(address: Address<'_>, shape: &[u64], options: &FormatOptions) -> Result<()> {
    let resized = || {
        let located = address.locate(options)?;
        let known = located.known(&located.probe()?, options)?;
        let format = known.ok_or_else(|| none_at(&*located.store, "there is no array here"))?;
        let keeps = || Error::unsupported(format!("{} arrays keep their shape", format.name()));
        format.resizes().ok_or_else(keeps)?.resize(&located.store, shape)
    };
    resized().map_err(context("resizing", address))
}
