//! Secrets by name: `${secret.NAME}` in an option's text is the value of the environment variable `RUNINK_SECRET_NAME`, else the content of the file `NAME` in
//! the folder that `RUNINK_SECRETS` names. Values never enter a plan, a message or a log.

use crate::error;
use runink_connector_api::ConnectorError;
use std::path::Path;

const PREFIX: &str = "${secret.";

/// Puts secrets in place. `lookup` gives the value of a name.
pub(crate) fn resolve(
    option: &str,
    text: &str,
    lookup: impl Fn(&str) -> Result<Option<String>, std::io::Error>,
) -> Result<String, ConnectorError> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(PREFIX) {
        let Some((name, after)) = after.split_once('}') else { break };
        resolved.push_str(before);
        let value = lookup(name).map_err(|e| {
            error::secret(
                format!("the secret `{name}` of `{option}` cannot be read: {e}"),
                "see the rights of the file in the folder that `RUNINK_SECRETS` names".into(),
            )
        })?;
        resolved.push_str(&value.ok_or_else(|| {
            error::secret(
                format!("there is no secret `{name}` for `{option}`"),
                format!("set the environment variable `RUNINK_SECRET_{name}`, or put a file `{name}` into the folder that `RUNINK_SECRETS` names"),
            )
        })?);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

/// The value of a secret in this process.
pub(crate) fn of_process(name: &str) -> Result<Option<String>, std::io::Error> {
    if let Ok(value) = std::env::var(format!("RUNINK_SECRET_{name}")) {
        return Ok(Some(value));
    }
    let Some(folder) = std::env::var_os("RUNINK_SECRETS") else { return Ok(None) };
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Ok(None);
    }
    match std::fs::read_to_string(Path::new(&folder).join(name)) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A value that must be a secret is given by name.
pub(crate) fn by_name_only(option: &str, text: &str) -> Result<(), ConnectorError> {
    if text.contains(PREFIX) {
        return Ok(());
    }
    Err(error::secret(
        format!("`{option}` is a secret, and its value stands in the text"),
        format!("name it: `{option}=\"${{secret.NAME}}\"`, with the value in the environment variable `RUNINK_SECRET_NAME`"),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_become_values() {
        let lookup = |name: &str| Ok(matches!(name, "A").then(|| "x${secret.B}".to_owned()));
        assert_eq!(resolve("o", "user:${secret.A}!", lookup).unwrap(), "user:x${secret.B}!", "a value is not looked at again");
        assert_eq!(resolve("o", "plain", lookup).unwrap(), "plain");
        assert_eq!(resolve("o", "${secret.A", lookup).unwrap(), "${secret.A");
        let error = resolve("sasl.password", "${secret.C}", lookup).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), ("KAF006", "there is no secret `C` for `sasl.password`"));
    }

    #[test]
    fn passwords_do_not_stand_in_texts() {
        assert!(by_name_only("sasl.password", "${secret.P}").is_ok());
        assert_eq!(by_name_only("sasl.password", "hunter2").unwrap_err().code, "KAF006");
    }
}
