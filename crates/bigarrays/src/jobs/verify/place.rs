//! Verifying what is at a path or URL: a layer with its scales, a group with its arrays, a file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::array::{Array, OpenOptions};
use crate::base::error::{Error, ErrorKind, Result};
#[cfg(feature = "flat")]
use crate::flat::{Flaw, check, check_names_of_set, files_of_set};
use crate::format::{self, ScaleSelector};
use crate::jobs::verify::report::{ArrayReport, ProblemKind, Report};
#[cfg(feature = "flat")]
use crate::jobs::verify::report::{Problem, Stray};
use crate::jobs::verify::{VerifyOptions, compare, verify};
use crate::store::{self, join_url};

/// What [`verify_at`] compares with.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The path or URL of the other array, layer or group.
    pub url: &'a str,
    /// How it is opened.
    pub open: &'a OpenOptions,
    /// Which scale of it, if one is meant: otherwise, of layers of as many scales, the same, and else
    /// the first.
    pub scale: Option<&'a ScaleSelector>,
}

/// Verifies what is at `url`: one scale of a layer, or all of them; every array of a group. Opened as
/// `open` says, but for reading only, and without a cache. With a [part](VerifyOptions::part) and no
/// scale, the first scale is meant. What is there is also [compared](compare) with what is `against` it.
///
/// # Errors
/// `NotFound`; those of [`verify`](crate::jobs::verify::verify()) and [`compare`]. What cannot be opened because it is
/// damaged is in the report.
pub fn verify_at(
    url: &str,
    open: &OpenOptions,
    scale: Option<&ScaleSelector>,
    against: Option<Against<'_>>,
    options: &VerifyOptions<'_>,
) -> Result<Report> {
    let is_only = scale.is_some() || options.part.is_some();
    let open = open.clone().read_only(true).incomplete(true).cache(None);
    let place = Place { open, options, is_only };
    let mut report = Report::default();
    match (scale, options.part) {
        (Some(scale), _) => report.arrays.push(place.array(url, Some(scale.clone()), against)?),
        (None, Some(_)) => report.arrays.push(place.array(url, None, against)?),
        (None, None) => place.all(url, against, &mut report)?,
    }
    Ok(report)
}

/// How deep in folders layers are looked for.
const DEEPEST: usize = 8;

struct Place<'a> {
    open: OpenOptions,
    options: &'a VerifyOptions<'a>,
    /// Whether one scale is meant.
    is_only: bool,
}

impl Against<'_> {
    /// Opens what `array` is compared with; `None` if nothing is.
    fn open(&self, array: &Array, is_only: bool) -> Result<Option<Array>> {
        let open = self.open.clone().read_only(true).cache(None);
        if let Some(scale) = self.scale {
            return open.scale(scale.clone()).open(self.url).map(Some);
        }
        let first = open.open(self.url)?;
        if first.scales().len() == array.scales().len() && array.scale() > 0 {
            return open.scale(array.scale()).open(self.url).map(Some);
        }
        Ok(Some(first).filter(|_| is_only || array.scale() == 0))
    }
}

impl Place<'_> {
    /// Verifies everything at `url`: an array or a layer with its scales, a group with all that it holds, or a folder
    /// of them.
    fn all(&self, url: &str, against: Option<Against<'_>>, report: &mut Report) -> Result<()> {
        let before = report.arrays.len();
        if self.slices(url, report)? {
            return Ok(());
        }
        let mut known = BTreeSet::new();
        let missing = self.layer(url, against, &mut known, report)?;
        // What is no group, or cannot be listed, has no other arrays that are known of.
        let survey = format::survey(url.into(), self.open.format_options());
        let is_group = matches!(survey, Ok(Some(_)));
        let (nodes, wrong) = survey.ok().flatten().unwrap_or_default();
        self.wrong(url, wrong, report);
        for node in &nodes {
            if known.contains(&node.path) {
                continue;
            }
            let place = join_url(url, &node.path);
            let other = against.map(|against| join_url(against.url, &node.path)).unwrap_or_default();
            let against = against.map(|against| Against { url: &other, ..against });
            if node.is_array {
                report.arrays.push(self.member(&place, against)?);
                continue;
            }
            // An image in a group is verified as one, so that its arrays are looked at once.
            let mut scales = BTreeSet::new();
            self.layer(&place, against, &mut scales, report)?;
            known.extend(scales.into_iter().map(|key| format!("{}/{key}", node.path)));
        }
        match missing {
            Some(error) if report.arrays.len() == before => {
                let is_found =
                    !is_group && error.kind() == ErrorKind::NotFound && self.folder(url, report, 0)?;
                if is_found { Ok(()) } else { Err(error) }
            }
            _ => Ok(()),
        }
    }

    /// Verifies the array or layer at `url`, all scales of it, whose keys it adds to `known`. Returns why there is none.
    fn layer(
        &self,
        url: &str,
        against: Option<Against<'_>>,
        known: &mut BTreeSet<String>,
        report: &mut Report,
    ) -> Result<Option<Error>> {
        let missing = match self.open.open_any_scale(url) {
            Ok(array) => {
                known.extend(array.scales().iter().map(|scale| scale.key.clone()));
                for position in 0..array.scales().len().max(1) {
                    report.arrays.push(self.scale(url, position, against)?);
                }
                None
            }
            Err(error) if is_damage(&error) => {
                report.arrays.push(damaged(url, &error));
                None
            }
            Err(error) => Some(error),
        };
        match format::problems(url.into(), self.open.format_options()) {
            Ok(found) => self.wrong(url, found, report),
            // What damage there is has been said.
            Err(error) if is_damage(&error) || missing.is_some() => {}
            Err(error) => return Err(error),
        }
        Ok(missing)
    }

    /// Verifies several arrays whose slices have their names in common, and these; whether `url` is a folder of such.
    #[cfg(feature = "flat")]
    fn slices(&self, url: &str, report: &mut Report) -> Result<bool> {
        let place = store::local_path(url)?;
        let mut of_all = ArrayReport { format: "slices", ..ArrayReport::unopened(url) };
        let files = match files_of_set(Path::new(&place)) {
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => {
                of_all.problem(ProblemKind::Names, &error, None);
                Vec::new()
            }
            Ok(Some(files)) => files,
        };
        for file in files.iter().filter_map(|file| file.file_name()?.to_str()) {
            report.arrays.push(self.member(&join_url(url, file), None)?);
        }
        if !files.is_empty() {
            let names = check_names_of_set(Path::new(&place), &mut |flaw| note(flaw, &place, &mut of_all))?;
            of_all.names = names;
        }
        report.arrays.push(of_all);
        Ok(true)
    }

    #[cfg(not(feature = "flat"))]
    fn slices(&self, _url: &str, _report: &mut Report) -> Result<bool> {
        Ok(false)
    }

    /// Verifies one scale of a layer; one that we cannot read does not hide the others.
    fn scale(&self, url: &str, position: usize, against: Option<Against<'_>>) -> Result<ArrayReport> {
        match self.array(url, Some(position.into()), against) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let mut report = damaged(url, &error);
                report.scale = Some(position.to_string());
                Ok(report)
            }
            report => report,
        }
    }

    /// Verifies what lies in the folders of a folder; whether that is anything.
    fn folder(&self, url: &str, report: &mut Report, depth: usize) -> Result<bool> {
        let Ok(store) = store::open(url, &self.open.format_options().store) else { return Ok(false) };
        let mut folders = Vec::new();
        let listed = store.names(&mut |name, size| {
            folders.extend(size.is_none().then(|| name.to_owned()));
            Ok(())
        });
        match listed {
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(_) => return Ok(false),
            Ok(()) => folders.sort(),
        }
        let mut any = false;
        for folder in folders {
            let (child, place) = (store.child(&folder)?, join_url(url, &folder));
            any |= match format::is_place(&child)? {
                true => match self.all(&place, None, report) {
                    // A document of something else.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) =>
                    {
                        false
                    }
                    done => done.map(|()| true)?,
                },
                false => depth < DEEPEST && self.folder(&place, report, depth + 1)?,
            };
        }
        Ok(any)
    }

    /// Reports what the metadata of a layer or a group have that is forbidden, or contradicts what is stored.
    fn wrong(&self, url: &str, found: Vec<String>, report: &mut Report) {
        if !found.is_empty() {
            let mut of_layer = ArrayReport::unopened(url);
            found.into_iter().for_each(|problem| {
                of_layer.problem(ProblemKind::Metadata, &Error::metadata(problem), None);
            });
            report.arrays.push(of_layer);
        }
    }

    /// Verifies an array that a group says it has.
    fn member(&self, url: &str, against: Option<Against<'_>>) -> Result<ArrayReport> {
        match self.array(url, None, against) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => {
                Ok(damaged(url, &error))
            }
            report => report,
        }
    }

    /// Verifies one array, or one scale.
    fn array(
        &self,
        url: &str,
        scale: Option<ScaleSelector>,
        against: Option<Against<'_>>,
    ) -> Result<ArrayReport> {
        let open = match &scale {
            Some(scale) => self.open.clone().scale(scale.clone()),
            None => self.open.clone(),
        };
        let array = match open.open(url) {
            Err(error) if is_damage(&error) => {
                let mut report = damaged(url, &error);
                report.scale = scale.map(|scale| match scale {
                    ScaleSelector::Index(position) => position.to_string(),
                    ScaleSelector::Key(key) => key,
                    ScaleSelector::Resolution(size) => format!("{size:?}"),
                });
                return Ok(report);
            }
            opened => opened?,
        };
        let mut report = verify(&array, self.options)?;
        let context = |error: Error| error.during("verifying").at(url);
        if self.options.part.is_none() && self.options.is_first() {
            beside(&array, &mut report).map_err(context)?;
        }
        if let Some(against) = against {
            self.compare(&array, &against, &mut report)?;
        }
        Ok(report)
    }

    fn compare(&self, array: &Array, against: &Against<'_>, report: &mut ArrayReport) -> Result<()> {
        let Some(other) = against.open(array, self.is_only)? else { return Ok(()) };
        match compare(array, &other, self.options) {
            Ok(comparison) => {
                report.comparison = Some(comparison);
                // Of shares, it is known once all of them are.
                if self.options.share.is_none() {
                    report.note_comparison();
                }
                Ok(())
            }
            // What is damaged cannot be compared.
            Err(error) if matches!(error.kind(), ErrorKind::CorruptData | ErrorKind::InvalidArgument) => {
                report.problem(ProblemKind::Different, &error, Some(other.url().to_owned()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidMetadata | ErrorKind::CorruptData)
}

/// The report of what cannot be opened.
fn damaged(url: &str, error: &Error) -> ArrayReport {
    let mut report = ArrayReport::unopened(url);
    report.problem(ProblemKind::Metadata, error, None);
    report
}

/// Looks at the names of slices, and at what appends have left.
fn beside(array: &Array, report: &mut ArrayReport) -> Result<()> {
    let file = array.store().local_path().filter(|path| path.is_file());
    let (Some(path), Ok(format)) = (file, format::by_name(array.format())) else { return Ok(()) };
    match format.count_names(path) {
        Some(Ok(count)) => report.names = Some(count).filter(|&count| count > 0),
        Some(Err(error)) => report.problem(ProblemKind::Names, &error, None),
        None => {}
    }
    if format.is_flat() { verify_names(path, report) } else { Ok(()) }
}

/// Verifies the names and reservations of a flat array.
#[cfg(feature = "flat")]
fn verify_names(path: &Path, report: &mut ArrayReport) -> Result<()> {
    let place = path.display().to_string();
    let checked = check(path, &mut |flaw| note(flaw, &place, report));
    match checked {
        Ok(names) => report.names = names,
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => report.problem(ProblemKind::Unreadable, &error, Some(place)),
    }
    Ok(())
}

/// Notes a flaw of the flat array at `place`.
#[cfg(feature = "flat")]
fn note(flaw: Flaw, place: &str, report: &mut ArrayReport) {
    match flaw {
        Flaw::Names(error) => report.problem(ProblemKind::Names, &error, None),
        Flaw::Reservations(error) => report.problem(ProblemKind::Unfinished, &error, None),
        Flaw::Unfinished(rows) => {
            let message = format!("rows {}:{} were reserved by an append that died", rows.start, rows.end);
            let key = Some(place.to_owned());
            report.problems.push(Problem { kind: ProblemKind::Unfinished, key, domain: None, message });
        }
        Flaw::Behind(bytes) => {
            report.leftovers.push(Stray { key: format!("{place} behind the last row"), bytes });
        }
    }
}

/// Says that names, where there are some, were not looked at.
#[cfg(not(feature = "flat"))]
fn verify_names(path: &Path, report: &mut ArrayReport) -> Result<()> {
    let mut index = path.as_os_str().to_owned();
    index.push(".index");
    if Path::new(&index).exists() {
        let error = crate::base::feature::missing("reader of names", "flat");
        report.problem(ProblemKind::Names, &error, Some(path.display().to_string()));
    }
    Ok(())
}
