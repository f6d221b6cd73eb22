//! `runi fmt`: texts in their one layout.

use super::planned::report;
use crate::{
    Exit,
    cli::Fmt,
    files::{self, FilesError},
    screen::Screen,
};
use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

/// The largest text that is read from standard input, in bytes.
const MAX_INPUT_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) fn run(fmt: &Fmt, screen: &Screen) -> Exit {
    if fmt.paths.iter().any(|p| p == Path::new("-")) {
        return standard_input(fmt, screen);
    }
    let paths = match files::find(&fmt.paths) {
        Ok(paths) => paths,
        Err(error) => return report(&error, screen),
    };
    let mut exit = Exit::Done;
    for path in &paths {
        exit = exit.and(match format_file(path, fmt.check) {
            Ok(false) => Exit::Done,
            Ok(true) if fmt.check => {
                screen.out(&format!("would change {}\n", path.display()));
                Exit::Findings
            }
            Ok(true) => {
                screen.out(&format!("formatted {}\n", path.display()));
                Exit::Done
            }
            Err(error) => report(&error, screen),
        });
    }
    if fmt.check && exit == Exit::Findings {
        screen.err("run `runi fmt` to format them\n");
    }
    exit
}

/// Whether the file changes. It is replaced as a whole, so that a crash leaves the old or the new text.
fn format_file(path: &Path, check: bool) -> Result<bool, FilesError> {
    let bytes = fs::read(path).map_err(|error| FilesError::Read { path: path.display().to_string(), error })?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(FilesError::NotText { path: path.display().to_string() });
    };
    let formatted = runink_dsl::format(&text);
    if formatted == text {
        return Ok(false);
    }
    if !check {
        replace(path, &formatted).map_err(|error| FilesError::Write { path: path.display().to_string(), error })?;
    }
    Ok(true)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Through links, so that the file they point to changes and not the link.
    let target = fs::canonicalize(path)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_like(&target, &beside, text).and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        let _left_over = fs::remove_file(&beside);
    }
    written
}

fn write_like(target: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create(beside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::metadata(target)?.permissions())?;
    file.sync_all()
}

fn standard_input(fmt: &Fmt, screen: &Screen) -> Exit {
    if fmt.paths.len() > 1 {
        screen.error("`-` is standard input and stands alone", Some("format files in a call of their own"));
        return Exit::Usage;
    }
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_INPUT_BYTES + 1).read_to_string(&mut text);
    let problem = match read {
        Ok(n) if n as u64 <= MAX_INPUT_BYTES => None,
        Ok(_) => Some(FilesError::TooLarge { path: "standard input".to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(FilesError::NotText { path: "standard input".to_owned() }),
        Err(error) => Some(FilesError::Read { path: "standard input".to_owned(), error }),
    };
    if let Some(error) = problem {
        return report(&error, screen);
    }
    let formatted = runink_dsl::format(&text);
    if !fmt.check {
        screen.out(&formatted);
        return Exit::Done;
    }
    if formatted == text { Exit::Done } else { Exit::Findings }
}
