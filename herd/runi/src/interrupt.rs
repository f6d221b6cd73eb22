//! Ctrl-C and termination: the first asks for a clean end, the second ends the process.

use crate::Exit;
use std::sync::atomic::{AtomicUsize, Ordering};

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// Listens from now on.
pub(crate) fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if SIGNALS.fetch_add(1, Ordering::SeqCst) > 0 {
            runink_files::remove_incomplete();
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    })
}

/// Whether somebody asked for the end.
pub(crate) fn asked() -> bool {
    SIGNALS.load(Ordering::SeqCst) > 0
}
