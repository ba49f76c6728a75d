//! What is given to who is asked for a promise that unsafe code relies on.

/// Nobody outside of the crate can name it, so that nobody else makes one, and nobody else has it to pass a
/// promise on.
#[derive(Clone, Copy, Debug)]
pub struct Asked(pub(crate) ());
