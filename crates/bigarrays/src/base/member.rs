//! Members of JSON objects, with an error that names the one that is wrong.

use serde_json::{Map, Value};

use crate::base::error::{Error, Result};

/// The members of one object, and where it stands in the document.
pub(crate) struct Member<'a> {
    pub(crate) object: &'a Map<String, Value>,
    /// Stands before the names of members, as `scales[0].`.
    pub(crate) path: String,
}

impl<'a> Member<'a> {
    pub(crate) fn optional<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(name, expected)),
        }
    }

    pub(crate) fn required<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Option<T>,
        expected: &str,
    ) -> Result<T> {
        self.optional(name, read, expected)?.ok_or_else(|| self.wrong(name, expected))
    }

    /// An error if there are other members than `known`.
    pub(crate) fn expect_only(&self, known: &[&str]) -> Result<()> {
        match self.object.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::unsupported(format!("{}{name}: unknown member", self.path))),
        }
    }

    pub(crate) fn wrong(&self, name: &str, expected: &str) -> Error {
        let found = self.object.get(name).map_or_else(|| "nothing".to_owned(), brief);
        Error::metadata(format!("{}{name}: expected {expected}, found {found}", self.path))
    }
}

/// A value for a message, cut short.
pub(crate) fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A whole number, also where it is written as `64.0`, as some writers do.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let exact = |x: f64| x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| value.as_f64().filter(|&x| exact(x)).map(|x| x as i64))
}

pub(crate) fn positive(value: &Value) -> Option<u64> {
    integer(value).and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0)
}

/// The numbers of a list, each from zero on.
pub(crate) fn naturals(value: &Value) -> Option<Vec<u64>> {
    let natural = |value| integer(value).and_then(|number| u64::try_from(number).ok());
    value.as_array()?.iter().map(natural).collect()
}

pub(crate) fn up_to(most: u32) -> impl Fn(&Value) -> Option<u32> {
    move |value| integer(value).and_then(|x| u32::try_from(x).ok()).filter(|&x| x <= most)
}
