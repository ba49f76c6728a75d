//! The layer that a copy makes, and how the same command finds it again after it was stopped.

use bigarrays::format::{self, FormatOptions, ScaleSelector};
use bigarrays::jobs::Journal;
use bigarrays::{Array, Error, ErrorKind, OpenOptions, Result};

use crate::commands::new::{New, new_layer, rehearsed};

/// What steps of the journal begin with: a scale that is added to those there are, a scale that was made, one that is all
/// there and marked so, and what the layer was after each.
const ADDING: &str = "adding scale ";
const MADE: &str = "made scale ";
const COMPLETING: &str = "completing scale ";
const IDENTITY: &str = "identity ";

/// Forgets what an earlier run has noted if what it has made is gone.
///
/// # Errors
/// `AlreadyExists` if something else is at `url`.
pub(crate) fn look_up(journal: &mut Journal, url: &str, options: &FormatOptions) -> Result<()> {
    let Some(known) = journal.steps().rev().find_map(|step| step.strip_prefix(IDENTITY)) else {
        return Ok(());
    };
    match format::identity(url, options)? {
        None => journal.forget(),
        Some(own) if own == known => Ok(()),
        // The scale that was added, or completed, has changed it.
        Some(_) if is_changing(journal) => Ok(()),
        Some(_) => {
            let reason = "this is not what an earlier run of this command made and left unfinished, or it was \
                          changed; remove it, or say --no-resume and not --create to copy into it";
            Err(Error::new(ErrorKind::AlreadyExists, reason).during("copying into").at(url))
        }
    }
}

/// Whether an earlier run ended before it could note what the layer became by the scale that it was adding or completing.
fn is_changing(journal: &Journal) -> bool {
    let changes = |step: &str| step.starts_with(ADDING) || step.starts_with(COMPLETING);
    journal.steps().rev().find(|step| changes(step) || step.starts_with(IDENTITY)).is_some_and(changes)
}

/// Takes the mark of the `at`-th scale away, which is all there.
///
/// # Errors
/// A storage error, after which it is marked as before.
pub(crate) fn complete(
    target: &Array,
    at: usize,
    url: &str,
    found: &FormatOptions,
    journal: Option<&Journal>,
) -> Result<()> {
    if target.incomplete().is_none() {
        return Ok(());
    }
    journal.map_or(Ok(()), |journal| journal.note(&format!("{COMPLETING}{at}")))?;
    target.complete()?;
    note_identity(url, found, journal)
}

/// Notes what the layer is now.
fn note_identity(url: &str, found: &FormatOptions, journal: Option<&Journal>) -> Result<()> {
    let Some(journal) = journal else { return Ok(()) };
    journal.note(&format!("{IDENTITY}{}", format::identity(url, found)?.unwrap_or_default()))
}

/// Makes the target of the `at`-th scale, or opens it where an earlier run of this call has made it.
///
/// # Errors
/// `AlreadyExists` if somebody else has; any error of making it.
pub(crate) fn make(
    at: usize,
    new: &New,
    url: &str,
    options: OpenOptions,
    found: &FormatOptions,
    journal: Option<&Journal>,
) -> Result<Array> {
    let noted = format!("{MADE}{at} ");
    if let Some(key) = journal.and_then(|journal| journal.steps().find_map(|step| step.strip_prefix(&noted)))
    {
        return made(new, url, options, key);
    }
    let (options, url) = (options_of(new, options), new_layer(url)?);
    let array = match at {
        0 => options.create(url, &new.spec).or_else(|error| {
            let may_be_ours =
                error.kind() == ErrorKind::AlreadyExists && journal.is_some_and(Journal::was_cut_short);
            let begun = if may_be_ours { begun(new, url, &options)? } else { None };
            begun.ok_or(error)
        })?,
        _ => added(at, new, url, &options, journal)?,
    };
    if let Some(journal) = journal {
        let key = array.scales().get(array.scale()).map_or("", |scale| scale.key.as_str());
        journal.note(&format!("{noted}{key}"))?;
    }
    note_identity(url, found, journal)?;
    Ok(array)
}

/// Opens a scale that was made, by its key.
///
/// # Errors
/// Those of opening it.
pub(crate) fn made(new: &New, url: &str, options: OpenOptions, key: &str) -> Result<Array> {
    let options = options_of(new, options);
    let options = if key.is_empty() { options } else { options.scale(ScaleSelector::Key(key.to_owned())) };
    options.open(new_layer(url)?)
}

/// The options by which a layer that is copied to is made and opened.
fn options_of(new: &New, options: OpenOptions) -> OpenOptions {
    let options = options.format(new.format).incomplete(true);
    match new.spec.storage.content_encoding {
        Some(compression) => options.content_encoding(compression),
        None => options,
    }
}

/// Adds the `at`-th scale, or takes that which a run has added that was killed before it could note it.
fn added(at: usize, new: &New, url: &str, options: &OpenOptions, journal: Option<&Journal>) -> Result<Array> {
    let spec = format::of_scale(new.spec.clone());
    let Some(journal) = journal else { return options.add_scale(url, &spec) };
    let keys = || -> Result<Vec<String>> {
        Ok(options.open(url)?.scales().iter().map(|scale| scale.key.clone()).collect())
    };
    let adding = format!("{ADDING}{at} ");
    let noted = journal.steps().rev().find_map(|step| serde_json::from_str(step.strip_prefix(&adding)?).ok());
    let Some(before): Option<Vec<String>> = noted else {
        journal.note(&format!("{adding}{}", serde_json::json!(keys()?)))?;
        return options.add_scale(url, &spec);
    };
    let Some(key) = keys()?.into_iter().find(|key| !before.contains(key)) else {
        return options.add_scale(url, &spec);
    };
    let array = options.clone().scale(ScaleSelector::Key(key.clone())).open(url)?;
    let is_as_planned = array.is_stored_as(&rehearsed(url, &new.spec, new.format)?);
    if is_as_planned && is_empty(&array)? {
        return Ok(array);
    }
    let reason = format!(
        "the scale {key} is none that an earlier run of this command has added; remove it, or say --no-resume \
         and not --create"
    );
    Err(Error::new(ErrorKind::AlreadyExists, reason).during("copying into").at(url))
}

/// What a run that was killed before it could note it has made at `url`: an array as it is to be, that
/// holds nothing yet. `None` if what is there is anything else.
fn begun(new: &New, url: &str, options: &OpenOptions) -> Result<Option<Array>> {
    let array = options.open(url)?;
    let expected = rehearsed(url, &new.spec, new.format)?;
    let known = |array: &Array| {
        let layout = array.layout();
        (layout.dimension_names.clone(), layout.resolution.clone(), array.scales().to_vec())
    };
    if !array.is_stored_as(&expected) || known(&array) != known(&expected) {
        return Ok(None);
    }
    Ok(is_empty(&array)?.then_some(array))
}

/// Whether no chunk of an array is stored.
fn is_empty(array: &Array) -> Result<bool> {
    let mut is_empty = true;
    let listed = array.store().list("", &mut |key, _| {
        is_empty &= array.layout().chunk_at(key).is_none();
        if is_empty { Ok(()) } else { Err(Error::invalid("it has been written to")) }
    });
    if is_empty {
        listed?;
    }
    Ok(is_empty)
}
