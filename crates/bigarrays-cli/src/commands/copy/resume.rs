//! The layer that a copy makes, and how the same command finds it again after it was stopped.

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::chunk::layout::Layout;
use bigarrays::format::{self, FormatOptions, ScaleSelector};
use bigarrays::jobs::Journal;
use bigarrays::{Array, Error, ErrorKind, OpenOptions, Result};

use crate::commands::new::{New, new_layer, rehearsed};

/// What steps of the journal begin with: a scale that was made, and what the layer was then.
const MADE: &str = "made scale ";
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
        Some(_) => {
            let reason = "this is not what an earlier run of this command made and left unfinished, or it was \
                          changed; remove it, or say --no-resume and not --create to copy into it";
            Err(Error::new(ErrorKind::AlreadyExists, reason).during("copying into").at(url))
        }
    }
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
    let options = options.format(new.format);
    let options = match new.spec.storage.content_encoding {
        Some(compression) => options.content_encoding(compression),
        None => options,
    };
    let url = new_layer(url)?;
    let made = format!("{MADE}{at} ");
    if let Some(key) = journal.and_then(|journal| journal.steps().find_map(|step| step.strip_prefix(&made))) {
        let key = ScaleSelector::Key(key.to_owned());
        return if key == ScaleSelector::Key(String::new()) { options } else { options.scale(key) }.open(url);
    }
    let array = match at {
        0 => options.create(url, &new.spec).or_else(|error| {
            let may_be_ours =
                error.kind() == ErrorKind::AlreadyExists && journal.is_some_and(Journal::was_cut_short);
            let begun = if may_be_ours { begun(new, url, &options)? } else { None };
            begun.ok_or(error)
        })?,
        _ => options.add_scale(url, &format::of_scale(new.spec.clone()))?,
    };
    if let Some(journal) = journal {
        let key = array.scales().get(array.scale()).map_or("", |scale| scale.key.as_str());
        journal.note(&format!("{made}{key}"))?;
        journal.note(&format!("{IDENTITY}{}", format::identity(url, found)?.unwrap_or_default()))?;
    }
    Ok(array)
}

/// What a run that was killed before it could note it has made at `url`: an array as it is to be, that
/// holds nothing yet. `None` if what is there is anything else.
fn begun(new: &New, url: &str, options: &OpenOptions) -> Result<Option<Array>> {
    let array = options.open(url)?;
    let expected = rehearsed(url, &new.spec, new.format)?;
    let known = |array: &Array| {
        // Metadata do not keep compression.
        let layout = Layout { content_encoding: ContentEncoding::Identity, ..array.layout().clone() };
        let last: Vec<u64> = layout.grid.shape().iter().map(|count| count.saturating_sub(1)).collect();
        let (config, key) = (layout.config(), layout.chunk_key(&last));
        (config, key, layout.order, layout.dimension_names, layout.resolution, array.scales().to_vec())
    };
    if known(&array) != known(&expected) {
        return Ok(None);
    }
    let mut is_empty = true;
    let listed = array.store().list("", &mut |key, _| {
        is_empty &= array.layout().chunk_at(key).is_none();
        if is_empty { Ok(()) } else { Err(Error::invalid("it has been written to")) }
    });
    if is_empty {
        listed?;
    }
    Ok(is_empty.then_some(array))
}
