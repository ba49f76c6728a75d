//! Periods of a calendar, and which times lie in each.

use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::compute::calendar::{Calendar, Date, MONTHS, dated_in};

/// A length of time that a calendar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From January on.
    Year,
    /// Three months, from December, March, June and September on.
    Season,
    /// A month.
    Month,
    /// Five days, 73 a year; the one from 25 February on has six where there is a 29th.
    Pentad,
    /// A day.
    Day,
    /// An hour.
    Hour,
}

/// The periods that some times lie in, from the first to the last, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Periods {
    /// The positions of the times of each.
    pub ranges: Vec<Range<u64>>,
    /// The date that each begins with, such as `2001-02-01`, or `2001-02-01T06` of hours.
    pub labels: Vec<String>,
}

/// The most periods.
const MOST: u64 = 1 << 22;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Units by their names, and what is short for them, in microseconds.
const UNITS: [(&[&str], i64); 6] = [
    (&["microsecond", "us"], 1),
    (&["millisecond", "ms", "msec"], 1_000),
    (&["second", "s", "sec"], SECOND),
    (&["minute", "min"], 60 * SECOND),
    (&["hour", "h", "hr"], 3_600 * SECOND),
    (&["day", "d"], DAY),
];

const PERIODS: [(&str, Period); 6] = [
    ("year", Period::Year),
    ("season", Period::Season),
    ("month", Period::Month),
    ("pentad", Period::Pentad),
    ("day", Period::Day),
    ("hour", Period::Hour),
];

impl Period {
    /// The one of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        let found = PERIODS.iter().find(|known| known.0 == name).map(|known| known.1);
        found.ok_or_else(|| {
            let known: Vec<&str> = PERIODS.iter().map(|known| known.0).collect();
            Error::invalid(format!("no period is called {name:?}; known are {}", known.join(", ")))
        })
    }

    /// The number of the period that a time lies in, in microseconds since the day 0 of a calendar.
    fn number(self, micros: i64, calendar: Calendar) -> i64 {
        let number = micros.div_euclid(DAY);
        let Date { year, month, day } = calendar.date(number);
        match self {
            Self::Year => year,
            // December is of the winter of the next year.
            Self::Season => (year * 12 + month).div_euclid(3),
            Self::Month => year * 12 + month - 1,
            Self::Pentad => {
                let (before, last) =
                    (MONTHS[..month as usize - 1].iter().sum::<i64>(), MONTHS[month as usize - 1]);
                year * 73 + (before + day.min(last) - 1) / 5
            }
            Self::Day => number,
            Self::Hour => micros.div_euclid(3_600 * SECOND),
        }
    }

    fn label(self, number: i64, calendar: Calendar) -> String {
        let month = |month: i64| format!("{:04}-{:02}-01", month.div_euclid(12), month.rem_euclid(12) + 1);
        let dated = |Date { year, month, day }: Date| format!("{year:04}-{month:02}-{day:02}");
        let day = |number: i64| dated(calendar.date(number));
        match self {
            Self::Year => format!("{number:04}-01-01"),
            Self::Season => month(number * 3 - 1),
            Self::Month => month(number),
            Self::Pentad => dated(dated_in(number.div_euclid(73), &MONTHS, number.rem_euclid(73) * 5)),
            Self::Day => day(number),
            Self::Hour => format!("{}T{:02}", day(number.div_euclid(24)), number.rem_euclid(24)),
        }
    }
}

/// Times along an axis, ascending.
#[derive(Clone, Debug)]
pub struct Times {
    calendar: Calendar,
    /// Microseconds since the day 0 of the calendar.
    micros: Vec<i64>,
}

impl Times {
    /// Whole numbers of units such as "days since 2000-01-01", as the CF conventions have them (section 4.4).
    ///
    /// # Errors
    /// `InvalidArgument` for units or a date that there are not, or times too far away.
    pub fn whole(values: &[i64], units: &str, calendar: Calendar) -> Result<Self> {
        let Since { unit, first } = Since::parse(units, calendar)?;
        let one = |&value: &i64| value.checked_mul(unit)?.checked_add(first);
        Self::new(values.iter().map(one).collect(), calendar)
    }

    /// The same of fractions, which are rounded to microseconds, or to seconds where they are as near to those as they are exact: a
    /// 24th of a day is an hour.
    ///
    /// # Errors
    /// As [`Times::whole`]; `InvalidArgument` if one is no finite number.
    pub fn real(values: &[f64], units: &str, calendar: Calendar) -> Result<Self> {
        let Since { unit, first } = Since::parse(units, calendar)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::invalid("some times are missing"));
        }
        let one = |&value: &f64| {
            let (micros, error) =
                ((value * unit as f64).round_ties_even(), value.abs() * f64::EPSILON * unit as f64);
            let seconds = (micros / SECOND as f64).round_ties_even() * SECOND as f64;
            let micros = if (micros - seconds).abs() <= error.max(1.0) { seconds } else { micros };
            (micros.abs() < 9e18).then_some(micros as i64)?.checked_add(first)
        };
        Self::new(values.iter().map(one).collect(), calendar)
    }

    fn new(micros: Option<Vec<i64>>, calendar: Calendar) -> Result<Self> {
        let micros = micros.ok_or_else(|| Error::invalid("times that are too far away"))?;
        Ok(Self { calendar, micros })
    }

    /// The periods that they lie in, from the first to the last, also those without any.
    ///
    /// ```
    /// use bigarrays::compute::{Calendar, Period, Times};
    ///
    /// let times = Times::whole(&[0, 20, 70], "days since 2001-01-01", Calendar::NoLeap)?;
    /// let months = times.periods(Period::Month)?;
    /// assert_eq!(months.labels, ["2001-01-01", "2001-02-01", "2001-03-01"]);
    /// assert_eq!(months.ranges, [0..2, 2..2, 2..3]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if times do not ascend, or there are too many periods.
    pub fn periods(&self, period: Period) -> Result<Periods> {
        let numbers: Vec<i64> =
            self.micros.iter().map(|&micros| period.number(micros, self.calendar)).collect();
        if !numbers.is_sorted() {
            return Err(Error::invalid("times have to ascend"));
        }
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
            return Ok(Periods { ranges: Vec::new(), labels: Vec::new() });
        };
        if last.abs_diff(first) >= MOST {
            return Err(Error::invalid(format!("more than {MOST} periods from the first time to the last")));
        }
        let behind = |number: i64| numbers.partition_point(|&one| one <= number) as u64;
        let ends = (first..=last).scan(0, |start, number| {
            let range = *start..behind(number);
            *start = range.end;
            Some(range)
        });
        let labels = (first..=last).map(|number| period.label(number, self.calendar)).collect();
        Ok(Periods { ranges: ends.collect(), labels })
    }
}

/// What times are counted in, and from when on.
struct Since {
    unit: i64,
    /// In microseconds since the day 0 of the calendar.
    first: i64,
}

impl Since {
    fn parse(units: &str, calendar: Calendar) -> Result<Self> {
        let wrong = || {
            let known: Vec<&str> = UNITS.iter().map(|unit| unit.0[0]).collect();
            let known = known.join(", ");
            Error::invalid(format!(
                "units are {units:?}; known are such as \"days since 2000-01-01 00:00\", of {known}"
            ))
        };
        let lower = units.to_ascii_lowercase();
        let (name, rest) = lower.split_once(" since ").ok_or_else(wrong)?;
        let name = name.trim();
        let is_unit = |known: &str| name == known || name.strip_suffix('s') == Some(known);
        let unit = UNITS.iter().find(|unit| unit.0.iter().any(|known| is_unit(known))).ok_or_else(wrong)?.1;
        let rest = rest.trim();
        let (day, time) = rest.split_once(|c: char| c == 't' || c.is_whitespace()).unwrap_or((rest, ""));
        let (date, of_day) = date(day).zip(time_of_day(time)).ok_or_else(wrong)?;
        let first =
            calendar.day(date).map_err(|error| error.during(format!("reading the units {units:?}")))?;
        Ok(Self { unit, first: first * DAY + of_day })
    }
}

fn number(text: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A date such as 2000-1-31, or -4-1-31.
fn date(text: &str) -> Option<Date> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut parts = text.split('-').map(number);
    let date = Date { year: sign * parts.next()??, month: parts.next()??, day: parts.next()?? };
    parts.next().is_none().then_some(date)
}

/// Microseconds of a time of day, of Greenwich: nothing, or such as 12:30, 12:30:15.5 or 12:30Z.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split_whitespace();
    let (time, zone) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let ends = ["z", "utc", "+00:00", "+0000", "+00"];
    let time = ends.iter().find_map(|end| time.strip_suffix(end)).unwrap_or(time);
    if parts.next().is_some()
        || !(zone.is_empty() || ends.contains(&zone) || ["00:00", "0000"].contains(&zone))
    {
        return None;
    }
    if time.is_empty() {
        return Some(0);
    }
    let mut parts = time.split(':');
    let (hour, minute) = (number(parts.next()?)?, parts.next().map_or(Some(0), number)?);
    let (second, fraction) = parts.next().map_or(("0", ""), |all| all.split_once('.').unwrap_or((all, "")));
    let second = number(second)?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros = number(&digits).filter(|_| fraction.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_time = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    is_time.then_some(((hour * 60 + minute) * 60 + second) * SECOND + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], units: &str, period: Period) -> Result<Vec<String>> {
        let times = Times::real(values, units, Calendar::named("standard")?)?;
        Ok(times.periods(period)?.labels)
    }

    #[test]
    fn periods_without_times_have_their_own_dates() {
        let days = labels(&[0.0, 3.0], "days since 1999-12-30", Period::Day).unwrap();
        assert_eq!(days, ["1999-12-30", "1999-12-31", "2000-01-01", "2000-01-02"]);
        let hours = labels(&[22.0, 25.0], "hours since 1999-12-31", Period::Hour).unwrap();
        assert_eq!(hours, ["1999-12-31T22", "1999-12-31T23", "2000-01-01T00", "2000-01-01T01"]);
    }

    #[test]
    fn times_of_old_days_are_those_of_the_calendar() {
        // 1 January of the year 1 is a Julian date: the day before the 3rd of the Gregorian one.
        assert_eq!(labels(&[730_121.0], "days since 1-1-1", Period::Day).unwrap(), ["2000-01-01"]);
        let days = labels(&[0.0, 1.0], "days since 1582-10-04 00:00:0.0", Period::Day).unwrap();
        assert_eq!(days, ["1582-10-04", "1582-10-15"]);
    }

    #[test]
    fn fractions_of_days_are_hours() {
        let times: Vec<f64> = (0..96).map(|hour| 730_121.0 + f64::from(hour) / 24.0).collect();
        let found = Times::real(&times, "days since 0001-01-01", Calendar::Standard).unwrap();
        let hours = found.periods(Period::Hour).unwrap();
        assert_eq!(hours.ranges, (0..96).map(|at| at..at + 1).collect::<Vec<_>>());
        assert_eq!(hours.labels[95], "2000-01-04T23");
        let half = Times::real(&[0.5], "seconds since 2000-01-01", Calendar::Standard).unwrap();
        assert_eq!(half.micros[0] % DAY, 500_000);
    }

    #[test]
    fn units_are_those_of_the_conventions() {
        for units in [
            "hours since 2000-01-01",
            "hours since 2000-1-1 00:00:00",
            "Hours  since  2000-01-01T00:00:00Z",
            "hr since 2000-01-01 0:0:0.0 UTC",
            "h since 2000-01-01 00:00:00 +00:00",
        ] {
            assert_eq!(labels(&[25.0], units, Period::Hour).unwrap(), ["2000-01-02T01"], "{units}");
        }
        let late = labels(&[1.0], "min since 2000-01-01 12:59:30.5", Period::Hour).unwrap();
        assert_eq!(late, ["2000-01-01T13"]);
        for units in [
            "days",
            "days since",
            "since 2000-01-01",
            "months since 2000-01-01",
            "days since 2000-01",
            "days since 2000-02-30",
            "days since 2000-01-01 25:00",
            "days since 2000-01-01 00:00 +02:00",
            "days since 2000-01-01 1:2:3:4",
            "days since 2000-01-01-01",
            "days since x-01-01",
            "days since 2000-01-01 00:00.5",
        ] {
            assert!(labels(&[1.0], units, Period::Day).is_err(), "{units}");
        }
        for wrong in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(labels(&[wrong], "days since 2000-01-01", Period::Day).is_err(), "{wrong}");
        }
        assert!(labels(&[1.0, 0.0], "days since 2000-01-01", Period::Day).is_err());
        assert!(labels(&[0.0, 1e8], "days since 2000-01-01", Period::Day).is_err());
        assert!(Times::whole(&[i64::MAX], "days since 2000-01-01", Calendar::NoLeap).is_err());
        assert!(labels(&[], "days since 2000-01-01", Period::Day).unwrap().is_empty());
    }
}
