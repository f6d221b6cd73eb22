//! The `runi` command.

use std::process::ExitCode;

/// Column batches are allocated on one thread and freed on another; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    runi::main()
}
