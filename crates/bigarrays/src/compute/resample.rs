//! Windows over the periods of a calendar.

use serde_json::{Map, Value};

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::aggregate::Aggregate;
use crate::compute::calendar::Calendar;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::NAME as HELD;
use crate::compute::named::{Argument, Arguments};
use crate::compute::periods::{Period, Periods, Times};
use crate::compute::run::ComputeOptions;
use crate::compute::types::is_whole;
use crate::format::{self, FormatOptions};

/// The most times that are read at once.
const MOST: u64 = 1 << 24;

impl Lazy {
    /// What the elements of each period become, at 0, 1, … of the axis: those at the positions along it that the periods have.
    ///
    /// ```
    /// use bigarrays::compute::{Aggregate, Calendar, ComputeOptions, Lazy, Period, Times};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let x = Lazy::of_elements(&Domain::from_shape(&[3])?, DataType::U8, &[3, 9, 4])?;
    /// let times = Times::whole(&[0, 20, 40], "days since 2001-01-01", Calendar::Standard)?;
    /// let sums = x.resample(0, &times.periods(Period::Month)?, None, Aggregate::Sum)?;
    /// let found = sums.compute::<u64>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [12, 4]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or that has other than as many elements as there are times.
    pub fn resample(
        &self,
        axis: usize,
        periods: &Periods,
        min_count: Option<u64>,
        aggregate: Aggregate,
    ) -> Result<Self> {
        let length = self.domain().shape().get(axis).copied();
        let count = periods.ranges.last().map_or(0, |last| last.end);
        if length != Some(count) {
            let reason = format!("{count} times along axis {axis} of {}", self.domain());
            return Err(Error::invalid(reason).during("resample"));
        }
        let first = self.domain().origin()[axis];
        let at = |position: u64| first.saturating_add_unsigned(position);
        let ranges: Vec<_> = periods.ranges.iter().map(|range| at(range.start)..at(range.end)).collect();
        self.over_ranges(axis, &ranges, min_count, aggregate)
    }
}

impl Times {
    /// The times that an expression of one axis has, which is computed at once. Units and the calendar are these, or what the attributes of
    /// the array say, such as `units` "days since 2000-01-01"; the standard calendar if they do not.
    ///
    /// # Errors
    /// `InvalidArgument` if these are no times, or have no units; `Unsupported` for a calendar that there is not; those of reading.
    pub fn of(lazy: &Lazy, units: Option<&str>, calendar: Option<&str>) -> Result<Self> {
        let count = lazy.domain().checked_len()?;
        if lazy.ndim() != 1 || count > MOST {
            return Err(Error::invalid(format!("times over {}; they are those of one axis", lazy.domain())));
        }
        let known = if units.is_some() && calendar.is_some() { Map::new() } else { attributes(lazy)? };
        let said = |name: &str, given: Option<&str>| {
            given.or_else(|| known.get(name).and_then(Value::as_str)).map(str::to_owned)
        };
        let missing = || Error::invalid("units= is missing, such as \"days since 2000-01-01\"");
        let units = said("units", units).ok_or_else(missing)?;
        let calendar = Calendar::named(said("calendar", calendar).as_deref().unwrap_or("standard"))?;
        let options = ComputeOptions::default();
        match lazy.dtype() {
            float if float.is_float() => {
                let times = lazy.converted(DataType::F64)?.compute::<f64>(&options)?.into_data();
                Self::real(&times.into_iter().collect::<Vec<_>>(), &units, calendar)
            }
            whole if is_whole(whole) && whole != DataType::U64 => {
                let times = lazy.converted(DataType::I64)?.compute::<i64>(&options)?.into_data();
                Self::whole(&times.into_iter().collect::<Vec<_>>(), &units, calendar)
            }
            other => Err(Error::invalid(format!("times of {other}"))),
        }
    }
}

/// The attributes of the array that an expression shows.
fn attributes(lazy: &Lazy) -> Result<Map<String, Value>> {
    let array = match lazy.kind() {
        Kind::View(_, of) => return attributes(of),
        Kind::Source(array) if array.format() != HELD => array,
        _ => return Ok(Map::new()),
    };
    let options = FormatOptions { format: Some(array.format().to_owned()), ..FormatOptions::default() };
    match format::attributes((array.store(), ""), &options) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Map::new()),
        attributes => attributes,
    }
}

/// The function of expressions as text.
pub(super) fn resample(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axis, aggregate) = (arguments.axis(lazy)?, arguments.aggregate()?);
    let missing = || Error::invalid("period= is missing, such as period=\"month\"");
    let period = Period::named(&arguments.text("period")?.ok_or_else(missing)?)?;
    let (units, calendar) = (arguments.text("units")?, arguments.text("calendar")?);
    let times = match arguments.needed("times")? {
        Argument::Lazy(times) => times,
        given => {
            let times = given.list().iter().map(|one| one.real("times")).collect::<Result<Vec<_>>>()?;
            let bytes: Vec<u8> = times.iter().flat_map(|time| time.to_ne_bytes()).collect();
            Lazy::of_elements(&Domain::from_shape(&[times.len() as u64])?, DataType::F64, &bytes)?
        }
    };
    let periods = Times::of(&times, units.as_deref(), calendar.as_deref())?.periods(period)?;
    lazy.resample(axis, &periods, arguments.count("min_count")?, aggregate)
}
