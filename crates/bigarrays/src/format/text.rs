//! The text of JSON documents, with what others write that JSON does not have.
//!
//! Python writes `NaN`, `Infinity` and `-Infinity` for numbers, and escapes of single surrogates (`\ud800`), which are no
//! characters. Both are kept, so that a document that is changed has all else as it was. In values, characters for private
//! use stand for them: such a number is a text of its name behind U+10F7FF, and a surrogate is one of the 2048 characters
//! from U+10F800 on.

use serde_json::{Map, Value};

use crate::base::error::{Error, Result};

/// The numbers that Python writes.
const NAMED: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// What stands before the name of such a number in a value.
const MARK: char = '\u{10f7ff}';

/// The character that stands for the first surrogate.
const FIRST: u32 = 0x10_f800;

/// A floating-point number as JSON of ours has it, be it finite or not.
pub fn of_float(value: f64) -> Value {
    let name = match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => return Value::from(value),
    };
    Value::String(format!("{MARK}{name}"))
}

/// The name of a number that JSON does not have, if `value` is one: `NaN`, `Infinity` or `-Infinity`.
pub fn name_of(value: &Value) -> Option<&'static str> {
    let text = value.as_str()?.strip_prefix(MARK)?;
    NAMED.into_iter().find(|name| *name == text)
}

/// Parses a text in UTF-8, of which a byte order mark is no part.
///
/// # Errors
/// `InvalidMetadata`.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    serde_json::from_slice(bytes).or_else(|error| {
        let wrong = || Error::metadata(format!("not valid JSON: {error}")).caused_by(error);
        serde_json::from_slice(&strict(bytes)).map_err(|_| wrong())
    })
}

/// The text as JSON has it: named numbers as texts with a mark, single surrogates as the characters that stand for them.
fn strict(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut at, mut in_text) = (Vec::with_capacity(text.len()), 0, false);
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        let named = NAMED.into_iter().find(|name| !in_text && rest.starts_with(name.as_bytes()));
        let length = if let Some(name) = named {
            plain.extend_from_slice(format!("\"{MARK}{name}\"").as_bytes());
            name.len()
        } else if in_text && byte == b'\\' {
            let (length, character) = escape(rest);
            match character {
                Some(character) => plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => plain.extend_from_slice(&rest[..length]),
            }
            length
        } else {
            in_text ^= byte == b'"';
            plain.push(byte);
            1
        };
        at += length;
    }
    plain
}

/// The length of the escape that `text` begins with, and what stands for it, if it is a single surrogate.
fn escape(text: &[u8]) -> (usize, Option<char>) {
    let Some(unit) = surrogate(text) else { return (text.len().min(2), None) };
    let is_pair = unit < 0xdc00 && surrogate(&text[6..]).is_some_and(|next| next >= 0xdc00);
    match is_pair {
        true => (12, None),
        false => (6, char::from_u32(FIRST + unit - 0xd800)),
    }
}

/// The surrogate that `text` begins with an escape of.
fn surrogate(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let unit = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (0xd800..0xe000).contains(&unit).then_some(unit)
}

/// The text of a document, over several lines.
pub(super) fn write(document: &Map<String, Value>) -> String {
    // A JSON value of our own always serialises.
    loose(serde_json::to_string_pretty(document).unwrap_or_default())
}

/// The text of a value, over several lines.
pub fn pretty(value: &Value) -> String {
    loose(format!("{value:#}"))
}

/// The text of a value, in one line.
pub fn line(value: &Value) -> String {
    loose(value.to_string())
}

/// The text with named numbers and single surrogates as Python has them.
fn loose(text: String) -> String {
    if !text.chars().any(|character| character as u32 >= MARK as u32) {
        return text;
    }
    let unmark = |text: String, name| text.replace(&format!("\"{MARK}{name}\""), name);
    let text = NAMED.into_iter().fold(text, unmark);
    let one = |character: char| match (character as u32).checked_sub(FIRST) {
        Some(unit) => format!("\\u{:04x}", unit + 0xd800),
        None => character.to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_python_writes_comes_back() {
        let text = r#"{"a":[NaN,-Infinity,Infinity],"b \" NaN":"Infinity \\","c":-1,"d":"\ud800 \udfff\ud83d\ude00 \\ud800","e":12345678901234567890123}"#;
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(
            value["a"].as_array().unwrap().iter().map(name_of).collect::<Vec<_>>(),
            [Some("NaN"), Some("-Infinity"), Some("Infinity")]
        );
        assert_eq!(value["b \" NaN"], json!("Infinity \\"));
        let written = line(&value);
        assert_eq!(written, text.replace("\\ud83d\\ude00", "\u{1f600}"));
        assert_eq!(parse(pretty(&value).as_bytes()).unwrap(), value);
        assert_eq!(parse("\u{feff}[1]".as_bytes()).unwrap(), json!([1]));
        for wrong in
            ["{\"a\": Nan}", "{\"a\": NaNa}", "{\"a\": \"\\", "{NaN", "{\"a\": \"\\ud8\"}", "\"\\ud800"]
        {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[\[\]{}:,"\\ud8cfNaInity0-9 -]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(parse(line(&value).as_bytes()).unwrap(), value);
            }
        }
    }
}
