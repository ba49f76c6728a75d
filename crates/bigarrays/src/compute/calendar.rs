//! Calendars, as the CF conventions have them (section 4.4.1): dates of days, and days of dates.

use crate::base::error::{Error, Result};

/// Which days years have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// Julian up to 4 October 1582, and Gregorian from the day after, the 15th, on.
    Standard,
    /// Gregorian at all times.
    ProlepticGregorian,
    /// Leap years every four years, at all times.
    Julian,
    /// Years of 365 days.
    NoLeap,
    /// Years of 366 days.
    AllLeap,
    /// Months of 30 days.
    Days360,
}

const NAMES: [(&str, Calendar); 9] = [
    ("standard", Calendar::Standard),
    ("gregorian", Calendar::Standard),
    ("proleptic_gregorian", Calendar::ProlepticGregorian),
    ("julian", Calendar::Julian),
    ("noleap", Calendar::NoLeap),
    ("365_day", Calendar::NoLeap),
    ("all_leap", Calendar::AllLeap),
    ("366_day", Calendar::AllLeap),
    ("360_day", Calendar::Days360),
];

/// Days of the months of a year without a leap day.
pub(crate) const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The same with one.
const LEAP: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A day of a calendar, by its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
}

/// Years up to which microseconds have 64 bits.
const FARTHEST: i64 = 200_000;

/// The first Gregorian day of the standard calendar.
const SHIFT: Date = Date { year: 1582, month: 10, day: 15 };

/// The 1st of March of the year 0, Gregorian and Julian, before 1970-01-01.
const GREGORIAN: i64 = 719_468;
const JULIAN: i64 = 719_470;

impl Calendar {
    /// The one that the CF conventions call so.
    ///
    /// # Errors
    /// `Unsupported` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        let lower = name.to_ascii_lowercase();
        let found = NAMES.iter().find(|known| known.0 == lower).map(|known| known.1);
        found.ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|known| known.0).collect();
            Error::unsupported(format!("the calendar {name:?}; known are {}", known.join(", ")))
        })
    }

    /// The days of the months, if all years are alike.
    fn months(self) -> Option<&'static [i64; 12]> {
        match self {
            Self::Standard | Self::ProlepticGregorian | Self::Julian => None,
            Self::NoLeap => Some(&MONTHS),
            Self::AllLeap => Some(&LEAP),
            Self::Days360 => Some(&[30; 12]),
        }
    }

    /// The number of a day, counted from any one on.
    ///
    /// # Errors
    /// `InvalidArgument` if the calendar does not have it.
    pub(crate) fn day(self, date: Date) -> Result<i64> {
        let Date { year, month, day } = date;
        let none = || Error::invalid(format!("the calendar {self:?} has no {year:04}-{month:02}-{day:02}"));
        // Whether the Julian calendar has a year 0, everybody says otherwise.
        let has_year = year > 0 || !matches!(self, Self::Standard | Self::Julian);
        let longest = self.months().unwrap_or(&LEAP);
        let length = usize::try_from(month - 1).ok().and_then(|month| longest.get(month));
        if !has_year || year.abs() > FARTHEST || !length.is_some_and(|length| (1..=*length).contains(&day)) {
            return Err(none());
        }
        let number = match (self, self.months()) {
            (_, Some(lengths)) => {
                let before: i64 = lengths[..month as usize - 1].iter().sum();
                year * lengths.iter().sum::<i64>() + before + day - 1
            }
            (Self::Julian, _) => of_julian(date),
            (Self::Standard, _) if date < SHIFT => of_julian(date),
            _ => of_gregorian(date),
        };
        if self.date(number) == date { Ok(number) } else { Err(none()) }
    }

    /// The date of a day.
    pub(crate) fn date(self, day: i64) -> Date {
        match (self, self.months()) {
            (_, Some(lengths)) => {
                let length: i64 = lengths.iter().sum();
                dated_in(day.div_euclid(length), lengths, day.rem_euclid(length))
            }
            (Self::Julian, _) => julian(day),
            (Self::Standard, _) if day < of_gregorian(SHIFT) => julian(day),
            _ => gregorian(day),
        }
    }
}

/// The date of a day so long behind the beginning of a year whose months have these days.
pub(crate) fn dated_in(year: i64, lengths: &[i64; 12], of_year: i64) -> Date {
    let (mut rest, mut month) = (of_year, 0);
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    Date { year, month: month as i64 + 1, day: rest + 1 }
}

// Years begin with March here, so that leap days are last.

/// The days from the 1st of March to a day.
fn of_year(date: Date) -> i64 {
    (153 * (date.month - 3).rem_euclid(12) + 2) / 5 + date.day - 1
}

/// The date of a day so long behind the 1st of March of a year.
fn dated(year: i64, of_year: i64) -> Date {
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    Date { year: year + i64::from(month > 9), month: (month + 2) % 12 + 1, day }
}

fn of_gregorian(date: Date) -> i64 {
    let year = date.year - i64::from(date.month < 3);
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap + of_year(date) - GREGORIAN
}

fn gregorian(day: i64) -> Date {
    let since = day + GREGORIAN;
    let (age, rest) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (rest - rest / 1_460 + rest / 36_524 - rest / 146_096) / 365;
    dated(400 * age + year, rest - (365 * year + year / 4 - year / 100))
}

fn of_julian(date: Date) -> i64 {
    let year = date.year - i64::from(date.month < 3);
    365 * year + year.div_euclid(4) + of_year(date) - JULIAN
}

fn julian(day: i64) -> Date {
    let since = day + JULIAN;
    let (age, rest) = (since.div_euclid(1_461), since.rem_euclid(1_461));
    let year = (rest - rest / 1_460) / 365;
    dated(4 * age + year, rest - 365 * year)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_leap(calendar: Calendar, year: i64) -> bool {
        let is_julian = calendar == Calendar::Julian || calendar == Calendar::Standard && year < 1582;
        match calendar {
            Calendar::NoLeap | Calendar::Days360 => false,
            Calendar::AllLeap => true,
            _ if is_julian => year % 4 == 0,
            _ => year % 4 == 0 && (year % 100 != 0 || year % 400 == 0),
        }
    }

    #[test]
    fn days_follow_each_other() {
        for (name, calendar) in NAMES {
            let mut date = Date { year: 1, month: 1, day: 1 };
            let first = calendar.day(date).unwrap();
            for number in first..first + 900_000 {
                assert_eq!((calendar.date(number), calendar.day(date).unwrap()), (date, number), "{name}");
                let Date { year, month, day } = date;
                let lengths = if is_leap(calendar, year) { &LEAP } else { &MONTHS };
                let length = if calendar == Calendar::Days360 { 30 } else { lengths[month as usize - 1] };
                date = match (day < length, month < 12) {
                    _ if calendar == Calendar::Standard && (year, month, day) == (1582, 10, 4) => SHIFT,
                    (true, _) => Date { day: day + 1, ..date },
                    (_, true) => Date { year, month: month + 1, day: 1 },
                    _ => Date { year: year + 1, month: 1, day: 1 },
                };
            }
        }
    }

    #[test]
    fn days_are_those_that_others_count() {
        let day = |calendar: Calendar, year, month, day| calendar.day(Date { year, month, day });
        assert_eq!(day(Calendar::Standard, 1970, 1, 1).unwrap(), 0);
        assert_eq!(day(Calendar::ProlepticGregorian, 1, 1, 1).unwrap(), -719_162);
        // The Julian day number of noon is 2,440,588 more: 1,721,424 on 1 January of the year 1.
        assert_eq!(day(Calendar::Standard, 1, 1, 1).unwrap(), 1_721_424 - 2_440_588);
        assert_eq!(day(Calendar::Julian, 1969, 12, 19).unwrap(), 0);
        for (calendar, year, month, wrong) in [
            (Calendar::Standard, 1582, 10, 10),
            (Calendar::Standard, 0, 1, 1),
            (Calendar::Standard, 1900, 2, 29),
            (Calendar::NoLeap, 2000, 2, 29),
            (Calendar::Days360, 2000, 1, 31),
            (Calendar::AllLeap, 2000, 13, 1),
            (Calendar::AllLeap, 2000, 0, 1),
            (Calendar::Julian, 2001, 1, 0),
        ] {
            assert!(day(calendar, year, month, wrong).is_err(), "{calendar:?} {year} {month} {wrong}");
        }
        assert!(Calendar::named("none").is_err());
    }
}
