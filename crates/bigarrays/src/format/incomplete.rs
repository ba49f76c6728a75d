//! The mark of an array that is being made and not written to its end: a member of the document that says that there is an
//! array. So the array is marked from its first moment, one atomic change takes the mark away, and opening reads nothing more.
//!
//! ```json
//! {"bigarrays": {"incomplete": {"since": "2026-11-29T19:30:00Z", "by": "bigarrays 0.1.0"}}}
//! ```
//! It stands among the attributes of Zarr 3, in `.zarray` of Zarr 2, whose attributes are a document of their own, in
//! `attributes.json` of N5, and in the entry of a scale in a precomputed `info`. Others ignore it there. It is no attribute of
//! the user, and copies of metadata do not have it.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::base::error::{Error, ErrorKind};
use crate::base::text::shown;

/// The member of what this library alone says.
const OWN: &str = "bigarrays";

/// The mark among what it says.
const MARK: &str = "incomplete";

/// What is known of an array that is not written to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incomplete {
    /// When it was made, in UTC as RFC 3339 has it.
    pub since: Option<String>,
    /// The program that made it.
    pub by: Option<String>,
}

impl Incomplete {
    /// Of an array that is made now.
    pub(super) fn now() -> Self {
        Self {
            since: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
            by: Some(concat!("bigarrays ", env!("CARGO_PKG_VERSION")).to_owned()),
        }
    }

    /// What the mark in `object` says, if there is one. A mark that says nothing, or what nobody knows, is one.
    pub(super) fn of(object: &Document) -> Option<Self> {
        let mark =
            object.get(OWN)?.get(MARK).filter(|mark| !matches!(mark, Value::Null | Value::Bool(false)))?;
        let text = |name| mark.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { since: text("since"), by: text("by") })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"since": self.since, "by": self.by})
    }

    /// The error of opening such an array.
    pub(super) fn refused(&self) -> Error {
        let reason = format!(
            "{self}; what is not written reads as fill value. Remove it and make it again, or open it as it is with \
             incomplete=True (--incomplete on the command line, OpenOptions::incomplete in Rust)"
        );
        Error::new(ErrorKind::Incomplete, reason)
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(by) => write!(f, "{} has begun to write it", shown(by))?,
            None => f.write_str("its writing was begun")?,
        }
        if let Some(since) = &self.since {
            write!(f, " at {}", shown(since))?;
        }
        f.write_str(" and has not finished")
    }
}

/// Takes the mark out of `object`, whatever it says, and returns it.
pub(super) fn take(object: &mut Document) -> Option<Value> {
    let own = object.get_mut(OWN)?.as_object_mut()?;
    let mark = own.shift_remove(MARK)?;
    if own.is_empty() {
        object.shift_remove(OWN);
    }
    Some(mark)
}

/// Puts `mark`, if there is one, into `object`, in the place of another.
pub(super) fn put(object: &mut Document, mark: Option<Value>) {
    take(object);
    let Some(mark) = mark else { return };
    let own = object.entry(OWN).or_insert_with(|| Value::Object(Map::new()));
    if !own.is_object() {
        *own = Value::Object(Map::new());
    }
    if let Value::Object(own) = own {
        own.insert(MARK.to_owned(), mark);
    }
}

/// Marks `object`, of a new array, or has it be without a mark.
pub(super) fn mark(object: &mut Document, is_incomplete: bool) {
    put(object, is_incomplete.then(|| Incomplete::now().to_json()));
}

/// `object` without a mark.
#[must_use]
pub(super) fn bare(mut object: Document) -> Document {
    take(&mut object);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Document {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_put_is_read_and_taken_and_the_rest_stays() {
        for before in [json!({"a": 1}), json!({"a": 1, "bigarrays": {"origin": [1]}})] {
            let mut marked = object(before.clone());
            mark(&mut marked, true);
            let known = Incomplete::of(&marked).unwrap();
            assert!(known.by.as_ref().unwrap().starts_with("bigarrays "), "{known:?}");
            let since = known.since.as_deref().unwrap();
            assert!(since.len() == 20 && since.ends_with('Z'), "{since}");
            let taken = take(&mut marked).unwrap();
            assert_eq!((&taken, &marked), (&known.to_json(), &object(before)));
            assert_eq!(Incomplete::of(&marked), None);
            put(&mut marked, Some(taken));
            mark(&mut marked, false);
            assert_eq!(Incomplete::of(&marked), None);
        }
    }

    #[test]
    fn whatever_a_mark_says_it_is_one() {
        for (mark, is_one) in [
            (json!(true), true),
            (json!({"since": 3}), true),
            (json!("later"), true),
            (json!(false), false),
            (json!(null), false),
        ] {
            let marked = object(json!({"bigarrays": {"incomplete": mark}}));
            assert_eq!(Incomplete::of(&marked), is_one.then(Incomplete::default), "{mark}");
        }
        let odd = object(json!({"bigarrays": {"incomplete": {"by": "a\u{1b}b", "since": "noon"}}}));
        let error = Incomplete::of(&odd).unwrap().refused().to_string();
        assert!(error.contains("noon") && !error.contains('\u{1b}'), "{error}");
        assert!(Incomplete::of(&object(json!({"bigarrays": 3}))).is_none());
    }
}
