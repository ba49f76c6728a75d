//! `Array`, what it is made of, and the functions that open, create, list and remove arrays.

pub(crate) mod cache;
pub(crate) mod chunk_domains;
pub(crate) mod create;
mod display;
pub(crate) mod domain;
pub(crate) mod index;
mod methods;
pub(crate) mod node;
pub(crate) mod open;
mod options;
pub(crate) mod outer;
pub(crate) mod pickle;
pub(crate) mod points;
pub(crate) mod positions;
pub(crate) mod scale;
mod stored;
pub(crate) mod supported;
pub(crate) mod tree;
pub(crate) mod view;

pub(crate) use stored::PyArray;
