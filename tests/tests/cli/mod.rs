//! A stranger's bad day: the command on real files that are missing, damaged, enormous or empty, on targets that refuse, in pipes, at a terminal,
//! and interrupted. In every case each row is in the output, or rejected with its reason, and nothing half-written is left.

mod bad_input;
mod bench;
mod data;
mod interrupts;
mod pipes;
mod round_trips;
mod sinks;
mod terminal;
mod testing;
