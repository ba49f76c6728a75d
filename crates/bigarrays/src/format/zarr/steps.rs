//! Codecs from elements to elements: what is done before elements become bytes.

use serde_json::Value;

use super::codec_spec::CodecSpec;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::base::member::{naturals, up_to};
use crate::base::numpy::numpy_type;

/// What is done to elements before they become bytes.
pub(super) enum Step {
    Transpose(Vec<usize>),
    Round(u32),
    Scale { offset: f64, scale: f64, stored: DataType },
}

/// The steps of a list of codecs, one after the other.
pub(super) struct Steps {
    /// Type of the elements as they leave the last step.
    pub(super) dtype: DataType,
    pub(super) ndim: usize,
    pub(super) list: Vec<Step>,
}

impl Steps {
    /// None, of elements of `dtype` along `ndim` axes.
    pub(super) fn new(dtype: DataType, ndim: usize) -> Self {
        Self { dtype, ndim, list: Vec::new() }
    }

    /// Adds a codec from elements to elements, if it is one.
    pub(super) fn add(&mut self, spec: &CodecSpec) -> Result<bool> {
        let members = spec.members();
        match spec.plain_name() {
            "transpose" => {
                members.expect_only(&["order"])?;
                let order =
                    members.required("order", |value| axes(value, self.ndim), "an order of the axes")?;
                if !order.iter().copied().eq(0..self.ndim) {
                    self.list.push(Step::Transpose(order));
                }
            }
            "bitround" => {
                members.expect_only(&["keepbits"])?;
                let keep = up_to(64);
                self.list.push(Step::Round(members.required("keepbits", keep, "a number of bits")?));
            }
            "fixedscaleoffset" => {
                members.expect_only(&["offset", "scale", "dtype", "astype"])?;
                let number = |name| members.required(name, Value::as_f64, "a number");
                let (offset, scale) = (number("offset")?, number("scale")?);
                let kind = "a type such as \"<f4\"";
                if members.required("dtype", numpy_type, kind)?.0 != self.dtype {
                    return Err(members.wrong("dtype", &format!("{}, the type of the elements", self.dtype)));
                }
                let stored = members.optional("astype", numpy_type, kind)?;
                self.dtype = stored.map_or(self.dtype, |(dtype, _)| dtype);
                self.list.push(Step::Scale { offset, scale, stored: self.dtype });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// An order of `ndim` axes; also as the letters that early drafts had.
fn axes(value: &Value, ndim: usize) -> Option<Vec<usize>> {
    match value.as_str() {
        Some("C") => return Some((0..ndim).collect()),
        Some("F") => return Some((0..ndim).rev().collect()),
        _ => {}
    }
    let axes: Vec<usize> = naturals(value)?.iter().map(|&axis| axis as usize).collect();
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..ndim).then_some(axes)
}
