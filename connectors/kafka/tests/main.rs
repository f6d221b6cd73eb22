//! The connector against a real broker, which the tests start themselves.

#![allow(clippy::unwrap_used, missing_docs)]

mod avro;
mod exactly_once;
mod http;
mod lag;
mod sink;
mod source;
mod support;
