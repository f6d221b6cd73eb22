//! `runi contract`: inferred from data, compared, hashed.

mod infer;

use super::planned::report;
use crate::{
    Exit,
    cli::{Contract, Output},
    files::{self, FilesError},
    screen::Screen,
};
use runink_dsl::{
    Diagnostic, FileId, SourceFile, Sources, ast,
    contract::{diff, hash},
    parse,
};
use std::path::Path;

pub(crate) fn run(contract: &Contract, screen: &Screen) -> Exit {
    let done = match contract {
        Contract::Infer { file, name } => infer::run(file, name.as_deref(), screen),
        Contract::Diff { old, new, output } => compare(old, new, *output, screen),
        Contract::Hash { file } => hashes(file, screen),
    };
    done.unwrap_or_else(|problem| problem.show(screen))
}

/// What keeps a contract from being found.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContractError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("RUN030: `{0}` has no contract")]
    NoContract(String),
    #[error("RUN031: `{path}` has several contracts: {names}")]
    Several { path: String, names: String, example: String },
    #[error("RUN032: `{path}` has no contract {wanted}; it has {names}")]
    NotThere { path: String, wanted: String, names: String },
    #[error("RUN033: the text has errors, so what its contracts promise is not certain")]
    Broken { sources: Sources, diagnostics: Vec<Diagnostic> },
    #[error(transparent)]
    Infer(#[from] infer::Problem),
}

impl ContractError {
    pub(super) fn show(&self, screen: &Screen) -> Exit {
        match self {
            ContractError::Files(error) => report(error, screen),
            ContractError::Infer(problem) => problem.show(screen),
            ContractError::Broken { sources, diagnostics } => {
                screen.diagnostics(diagnostics, sources);
                screen.error(&self.to_string(), None);
                Exit::Findings
            }
            ContractError::NoContract(_) => {
                screen.error(&self.to_string(), Some("a contract starts with `Contract: Name version 1`"));
                Exit::User
            }
            ContractError::Several { example, .. } => {
                screen.error(&self.to_string(), Some(&format!("name one: `{example}`")));
                Exit::User
            }
            ContractError::NotThere { .. } => {
                screen.error(&self.to_string(), None);
                Exit::User
            }
        }
    }
}

pub(super) fn label(contract: &ast::Contract) -> String {
    format!("{}@{}", contract.name.value, contract.version.value)
}

fn names(contracts: &[ast::Contract]) -> String {
    contracts.iter().map(label).collect::<Vec<_>>().join(", ")
}

fn contracts(path: &Path) -> Result<Vec<ast::Contract>, ContractError> {
    let shown = path.display().to_string();
    if !path.is_file() {
        return Err(FilesError::Missing(shown).into());
    }
    let text = files::read_text(path)?;
    let parsed = parse(FileId(0), &text);
    if parsed.diagnostics.iter().any(Diagnostic::is_error) {
        let sources = Sources::new(vec![SourceFile { path: shown, text }]);
        return Err(ContractError::Broken { sources, diagnostics: parsed.diagnostics });
    }
    if parsed.document.contracts.is_empty() {
        return Err(ContractError::NoContract(shown));
    }
    Ok(parsed.document.contracts)
}

/// `FILE` with one contract, `FILE:Name` (its highest version) or `FILE:Name@1`.
pub(super) fn contract(written: &str) -> Result<ast::Contract, ContractError> {
    // A colon may be part of a path; what exists is a path.
    let (path, wanted) = match written.rsplit_once(':') {
        Some((path, wanted)) if !Path::new(written).exists() => (path, Some(wanted)),
        _ => (written, None),
    };
    let mut found = contracts(Path::new(path))?;
    let all = names(&found);
    if let Some(wanted) = wanted {
        let (name, version) = match wanted.rsplit_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted, None),
        };
        found.retain(|c| c.name.value == name && version.is_none_or(|v| c.version.value.to_string() == v));
        found.sort_by_key(|c| c.version.value);
        return found.pop().ok_or_else(|| ContractError::NotThere { path: path.to_owned(), wanted: wanted.to_owned(), names: all });
    }
    match found.pop() {
        Some(only) if found.is_empty() => Ok(only),
        Some(last) => Err(ContractError::Several { path: path.to_owned(), names: all, example: format!("{path}:{}", label(&last)) }),
        None => Err(ContractError::NoContract(path.to_owned())),
    }
}

fn compare(old: &str, new: &str, output: Output, screen: &Screen) -> Result<Exit, ContractError> {
    let result = diff(&contract(old)?, &contract(new)?);
    match output {
        Output::Text => screen.out(&result.to_string()),
        Output::Json => screen.out(&format!("{:#}\n", result.to_json())),
    }
    Ok(if result.verdict.holds { Exit::Done } else { Exit::Findings })
}

fn hashes(path: &Path, screen: &Screen) -> Result<Exit, ContractError> {
    for contract in contracts(path)? {
        screen.out(&format!("{}  {}\n", hash(&contract), label(&contract)));
    }
    Ok(Exit::Done)
}
