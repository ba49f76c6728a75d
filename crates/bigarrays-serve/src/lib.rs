//! Shows arrays in Neuroglancer: a server, on this machine alone unless it is told otherwise, of layers that are made of arrays
//! where somebody looks, and of a page that shows them.
//!
//! It reads arrays and knows no file: a path names a box of one of the arrays it was given, and nothing else. All paths begin
//! with a token that nobody can guess.

mod affine;
mod answer;
mod axes;
mod coarser;
mod contrast;
mod convert;
mod dimensions;
mod draw;
mod guard;
mod info;
mod keeper;
mod kept;
mod layer;
mod level;
mod page;
mod passed;
mod patience;
mod route;
mod server;
mod state;
mod tile;
mod tiles;
mod viewer;
mod volume;

pub use affine::Affine;
pub use kept::Pyramid;
pub use layer::Layer;
pub use page::has_page;
pub use viewer::{ViewOptions, Viewer};
pub use volume::Volume;
