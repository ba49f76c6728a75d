//! A pyramid that is made once: who asks for it again, with a journal, is told that it is there.

use super::levels::{Level, Levels, there_are_scales};
use super::options::{Downsampling, MadeLevel, Pyramid, PyramidOptions, Work};
use crate::base::error::Result;
use crate::chunk::config::{Config, Parameter};
use crate::compute::{Done, Journal, identity_of};

/// What notes that pyramids are made, if that is asked for.
fn journal<'a>(options: &PyramidOptions<'a>) -> Option<&'a Journal> {
    options.journal.filter(|_| matches!(options.work, Work::All) && options.part.is_none())
}

/// The record of the call, by all that its outcome depends on but elements.
fn record(
    journal: &Journal,
    levels: &Levels,
    method: Downsampling,
    options: &PyramidOptions<'_>,
) -> Result<Done> {
    let one = |(number, level): (usize, &Level)| -> Result<Config> {
        let listed = levels.source.open_scale(levels.source.scale() + 1 + number)?;
        let factor: Vec<String> = level.factor.iter().map(ToString::to_string).collect();
        Ok(identity_of(&listed).with("factor", factor.join(",")).with("asked", level.asked.clone()))
    };
    let all = levels.levels.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
    let ignore = options.ignore.map(|number| format!("{number:?}"));
    let config = Config::new("pyramid")
        .with("source", identity_of(&levels.source))
        .with("levels", all.into_iter().collect::<Parameter>())
        .with("method", method.name())
        .with("ignore", ignore.map_or(Parameter::None, Parameter::Text));
    Ok(Done::of(&config.key()).beside(journal.path()))
}

/// Notes that the levels are made and listed.
///
/// # Errors
/// Those of looking up what there is, and of files.
pub(super) fn note(levels: &Levels, method: Downsampling, options: &PyramidOptions<'_>) -> Result<()> {
    // Levels beside a layer are noted by who keeps them.
    let are_scales = levels.levels.iter().any(|level| level.spec.is_some());
    let Some(journal) = journal(options).filter(|_| are_scales) else { return Ok(()) };
    let identity = levels.source.layer_identity()?;
    identity
        .map_or(Ok(()), |identity| record(journal, levels, method, options)?.note(&identity, method.name()))
}

/// What an earlier run of the same call has made, of which all scales are listed.
///
/// # Errors
/// `AlreadyExists` if what there is was made by another call, or nobody knows by which.
pub(super) fn before(levels: &Levels, method: Downsampling, options: &PyramidOptions<'_>) -> Result<Pyramid> {
    let is_done = match journal(options).zip(levels.source.layer_identity()?) {
        Some((journal, identity)) => record(journal, levels, method, options)?.said(&identity)?.is_some(),
        None => false,
    };
    if !is_done {
        return Err(there_are_scales(&levels.source));
    }
    let one = |level: &Level| MadeLevel {
        key: level
            .array
            .scales()
            .get(level.array.scale())
            .map_or_else(String::new, |scale| scale.key.clone()),
        factor: level.factor.clone(),
        domain: level.array.domain().clone(),
    };
    let levels = levels.levels.iter().map(one).collect();
    Ok(Pyramid { levels, method, passes: 0, units: Vec::new(), peak_memory: 0, was_there: true })
}
