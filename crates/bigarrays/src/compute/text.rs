//! Expressions as text.

use std::fmt;

use crate::array::Array;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::function::Function;
use crate::compute::number::Number;
use crate::compute::windowed::Work;

/// The most bytes of an expression as text.
const LONGEST: usize = 1000;

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The expression as one would write it, its type and its domain.
impl fmt::Display for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [{}]", self.text(), self.dtype(), self.domain())
    }
}

impl Lazy {
    /// The expression as one would write it; sources by the last part of their URL. What is very long is cut short.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        if text.len() > LONGEST {
            let end = text.floor_char_boundary(LONGEST);
            text.truncate(end);
            text.push('…');
        }
        text
    }

    fn write(&self, out: &mut String) {
        if out.len() > LONGEST {
            return;
        }
        match self.kind() {
            Kind::Source(array) => {
                out.push_str(&called(array));
            }
            Kind::Foreign(source) => out.push_str(source.name()),
            Kind::Constant(bytes) => {
                out.push_str(&Number::read(self.dtype(), &bytes[..self.dtype().size()]).to_string());
            }
            Kind::Pending(number) => out.push_str(&format!("result {}", number + 1)),
            Kind::Convert(of) | Kind::View(_, of) => of.write(out),
            Kind::Cast(of, _) => call(out, "cast", std::slice::from_ref(of), &self.dtype().to_string()),
            Kind::Elementwise(function, arguments) => match (operator(*function), &arguments[..]) {
                (Some(sign), [one, other]) => {
                    out.push('(');
                    one.write(out);
                    out.push_str(&format!(" {sign} "));
                    other.write(out);
                    out.push(')');
                }
                _ => call(out, function.name(), arguments, ""),
            },
            Kind::Reduce(along, of) => {
                let axes: Vec<String> = along.axes.iter().map(ToString::to_string).collect();
                let axes = format!("axis=[{}]", axes.join(", "));
                call(out, along.reduction.name(), std::slice::from_ref(of), &axes);
            }
            Kind::Group(grouping, all) => {
                let axes: Vec<String> = grouping.by.axes.iter().map(ToString::to_string).collect();
                let last = format!("axis=[{}], groups={}", axes.join(", "), grouping.by.groups.len());
                call(out, grouping.reduction.name(), &all[..1], &last);
            }
            Kind::Join(axis, parts) => call(out, "concatenate", parts, &format!("axis={axis}")),
            // What an operation of ours takes beside its first operand would hide that.
            Kind::Operation(of, _, inputs) if matches!(of.work, Work::Kernel(_)) => {
                call(out, &of.name, &inputs[..1], "");
            }
            Kind::Operation(of, _, inputs) => call(out, &of.name, inputs, ""),
        }
    }
}

/// What an array is called: the last part of its URL.
pub(super) fn called(array: &Array) -> String {
    let url = crate::base::text::redact(array.url());
    let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "array".to_owned() } else { name.to_owned() }
}

/// Writes a call of a function.
fn call(out: &mut String, name: &str, arguments: &[Lazy], last: &str) {
    out.push_str(name);
    out.push('(');
    for (number, argument) in arguments.iter().enumerate() {
        out.push_str(if number > 0 { ", " } else { "" });
        argument.write(out);
    }
    out.push_str(if last.is_empty() { "" } else { ", " });
    out.push_str(last);
    out.push(')');
}

/// The sign of a function between its operands.
fn operator(function: Function) -> Option<&'static str> {
    Some(match function {
        Function::Add => "+",
        Function::Subtract => "-",
        Function::Multiply => "*",
        Function::Divide => "/",
        Function::FloorDivide => "//",
        Function::Remainder => "%",
        Function::Power => "**",
        Function::Equal => "==",
        Function::NotEqual => "!=",
        Function::Less => "<",
        Function::LessEqual => "<=",
        Function::Greater => ">",
        Function::GreaterEqual => ">=",
        Function::BitwiseAnd => "&",
        Function::BitwiseOr => "|",
        Function::BitwiseXor => "^",
        Function::LeftShift => "<<",
        Function::RightShift => ">>",
        _ => return None,
    })
}
