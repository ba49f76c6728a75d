//! Values as objects of S3, Google Cloud Storage, Azure or a web server.
//!
//! The only asynchronous part of the crate. A batch is one task on the private runtime that keeps many
//! requests under way; what arrives is handed to the CPU pool, and what is to be sent comes from it.
//! The caller's thread only passes things on, and looks whether it is asked to stop.

#[cfg(feature = "azure")]
mod azure;
mod batch;
mod change;
mod checksum;
mod client;
mod connection;
#[cfg(feature = "s3")]
mod credentials;
mod failure;
mod fetch;
#[cfg(feature = "gcs")]
mod gcs;
mod given;
mod header;
#[cfg(feature = "http")]
mod http;
mod list;
mod maker;
mod odd_keys;
mod options;
mod place;
mod random;
mod remote;
mod runtime;
#[cfg(feature = "s3")]
mod s3;
mod store;
mod throttle;
mod transport;
mod work;

pub use store::ObjectStore;
pub(super) use store::open;
