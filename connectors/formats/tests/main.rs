//! The formats, from outside.
#![allow(clippy::unwrap_used)]

mod columnar;
mod csv;
mod damage;
mod encode;
mod errors;
mod infer;
mod json;
mod laws;
mod protobuf;
mod random;
mod support;
