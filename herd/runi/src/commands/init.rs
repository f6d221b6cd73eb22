//! `runi init`: a small project that runs, to be changed into one's own.

use crate::{Exit, cli::Init, screen::Screen};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Stands for the project's name in the files below.
const NAME: &str = "{{name}}";

/// What a new project holds.
const FILES: [(&str, &str); 6] = [
    ("README.md", include_str!("init/README.md")),
    ("revenue.dsl", include_str!("init/revenue.dsl")),
    ("contracts/order.dsl", include_str!("init/order.dsl")),
    ("steps/checks.dsl", include_str!("init/checks.dsl")),
    ("data/orders.csv", include_str!("init/orders.csv")),
    (".github/workflows/runink.yml", include_str!("init/runink.yml")),
];

/// What keeps a project from being made.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("RUN050: `{}` is there already and is not an empty folder", .0.display())]
    NotEmpty(PathBuf),
    #[error("RUN051: `{}` has no name that a project could take", .0.display())]
    NoName(PathBuf),
    #[error("RUN052: `{}` could not be written: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

pub(crate) fn run(init: &Init, screen: &Screen) -> Exit {
    match make(&init.folder) {
        Ok(()) => {
            let folder = init.folder.display();
            screen.out(&format!(
                "made {folder}\n\nnext:\n  cd {folder}\n  runi test\n  runi run revenue.dsl\nthen change revenue.dsl into what you need\n"
            ));
            Exit::Done
        }
        Err(error) => {
            let (hint, exit) = match error {
                InitError::NotEmpty(_) => ("name a folder that does not exist yet", Exit::User),
                InitError::NoName(_) => ("name a folder, for example `runi init shop`", Exit::User),
                InitError::Write { .. } => ("look at the folder's rights and at the free space of its disk", Exit::Operator),
            };
            screen.error(&error.to_string(), Some(hint));
            exit
        }
    }
}

fn make(folder: &Path) -> Result<(), InitError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| InitError::Write { path, error }
    };
    if folder.exists() {
        let empty = folder.is_dir() && fs::read_dir(folder).map_err(failed(folder))?.next().is_none();
        if !empty {
            return Err(InitError::NotEmpty(folder.to_owned()));
        }
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let whole = fs::canonicalize(folder).map_err(failed(folder))?;
    let name = whole.file_name().ok_or_else(|| InitError::NoName(folder.to_owned()))?.to_string_lossy().into_owned();
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::write(&path, text.replace(NAME, &name)).map_err(failed(&path))?;
    }
    Ok(())
}
