//! Examples run as a stranger would run them: whole folders of `.dsl` files, on several numbers of workers, and what a failure looks like.
#![allow(clippy::unwrap_used, missing_docs)]

mod chaos;
mod failing;
mod folder;
mod passing;
mod recursion;
