//! What formats say of axes beside names and resolution.

/// What images say of an axis beside its name and its size in space.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisSpec {
    /// Its name.
    pub name: String,
    /// Such as `space`, `time` or `channel`.
    pub kind: Option<String>,
    /// The unit of `scale`.
    pub unit: Option<String>,
    /// The distance of elements, which counts where no resolution says it.
    pub scale: f64,
    /// How far elements are beyond their coordinate, in elements: less than one. It is the same in every box.
    pub offset: f64,
}
