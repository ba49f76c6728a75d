//! Tables of labels that are written as text.

use crate::base::error::{Error, Result};
use crate::compute::remap::LabelTable;

impl LabelTable {
    /// The table that a CSV text in UTF-8 holds: in each row a label, a comma, and what the label becomes, in quotes or not. The first row
    /// may have names, which have no digits. A byte order mark and empty lines say nothing.
    ///
    /// ```
    /// use bigarrays::compute::LabelTable;
    ///
    /// let table = LabelTable::of_csv("\u{feff}old,new\r\n7,9\r\n3,-4\r\n".as_bytes())?;
    /// assert_eq!(table.iter().collect::<Vec<_>>(), [(3, -4), (7, 9)]);
    /// assert!(LabelTable::of_csv(b"7;9\n3;4\n").is_err());
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` that names the line which is no label and what it becomes, if the text is not UTF-8, and as [`LabelTable::new`].
    pub fn of_csv(text: &[u8]) -> Result<Self> {
        let reason = |error| format!("a table of labels is text in UTF-8: {error}");
        let text = std::str::from_utf8(text).map_err(|error| Error::invalid(reason(error)))?;
        let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let mut found = Vec::new();
        for (at, (number, line)) in lines.filter(|(_, line)| !line.trim().is_empty()).enumerate() {
            match row(line) {
                Some(pair) => found.push(pair),
                None if at == 0 && are_names(line) => {}
                None => {
                    let expected = "whole numbers in two columns, with a comma between them, are expected";
                    let reason = format!(
                        "line {}, {line:?}, is no label and what it becomes: {expected}; only the first line may have \
                         names, which have no digits",
                        number + 1
                    );
                    return Err(Error::invalid(reason));
                }
            }
        }
        Self::new(found)
    }
}

/// The two numbers of a line.
fn row(line: &str) -> Option<(i128, i128)> {
    let (from, to) = line.split_once(',')?;
    Some((cell(from)?, cell(to)?))
}

fn cell(text: &str) -> Option<i128> {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.trim().parse().ok()
}

/// Whether a line has two names, and nothing that may be meant as a number.
fn are_names(line: &str) -> bool {
    line.matches(',').count() == 1 && !line.contains(char::is_numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_row_of_numbers_is_never_taken_for_names() {
        let of =
            |text: &str| LabelTable::of_csv(text.as_bytes()).map(|table| table.iter().collect::<Vec<_>>());
        let due = [(3, 4), (7, 9)];
        for first in
            ["7,9", "\u{feff}7,9", "+7,9", " 7 , 9 ", "\"7\",\"9\"", "old,new\n7,9", "\n\nold,new\r\n7,9"]
        {
            assert_eq!(of(&format!("{first}\n3,4\n")).unwrap(), due, "{first:?}");
        }
        for first in [
            "7.0,9",
            "7,1e3",
            "7;9",
            "7\t9",
            "7²,9",
            "７,９",
            "7",
            "7,9,1",
            "old",
            "old,new,more",
            "old 1,new",
        ] {
            let said = of(&format!("{first}\n3,4\n")).unwrap_err().to_string();
            assert!(said.contains("line 1") && said.contains("two columns"), "{first:?}: {said}");
        }
        assert!(of("old,new\nold,new\n3,4").unwrap_err().to_string().contains("line 2"));
        assert!(LabelTable::of_csv(b"\xff\xfe7\0,\0").unwrap_err().to_string().contains("UTF-8"));
        assert_eq!(of("old,new\n").unwrap(), []);
        assert_eq!(of("-1,18446744073709551615").unwrap(), [(-1, (1 << 64) - 1)]);
    }
}
