//! Tokens of `sasl.mechanism=OAUTHBEARER`: a secret that is looked up each time, or an OpenID provider that is asked for one (client credentials).
//!
//! The library that is linked here has no HTTP of its own, so the provider is asked from here, by librdkafka's own option names.

use crate::{error, secret};
use rdkafka::client::OAuthToken;
use reqwest::{Certificate, blocking::Client};
use runink_connector_api::{ConnectorError, Options};
use serde::Deserialize;
use std::{
    fmt,
    panic::catch_unwind,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long a token is used that does not say when it ends.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who we are where a token does not say it.
const PRINCIPAL: &str = "runink";

/// The options of a provider: librdkafka's names.
pub(crate) const METHOD: &str = "sasl.oauthbearer.method";
pub(crate) const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
pub(crate) const CLIENT_ID: &str = "sasl.oauthbearer.client.id";
pub(crate) const CLIENT_SECRET: &str = "sasl.oauthbearer.client.secret";
pub(crate) const SCOPE: &str = "sasl.oauthbearer.scope";
pub(crate) const CA: &str = "https.ca.location";
/// The option of a token that is a secret.
pub(crate) const TOKEN: &str = "oauth_token";

/// Where tokens come from.
pub(crate) enum Tokens {
    /// The text of the option, with names of secrets in it.
    Secret(String),
    Provider(Provider),
}

/// An OpenID provider. Its answers are asked for with the client's secret.
pub(crate) struct Provider {
    http: Client,
    endpoint: String,
    id: String,
    secret: String,
    scope: Option<String>,
}

/// Neither tokens nor secrets are shown.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

/// What a token says of itself, where it is a JSON Web Token.
#[derive(Debug, Default, Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: Option<f64>,
    sub: Option<String>,
}

impl Tokens {
    /// What the options say; `None` where another mechanism is used.
    pub(crate) fn of(options: &Options) -> Result<Option<Self>, ConnectorError> {
        let own = [TOKEN, METHOD, ENDPOINT, CLIENT_ID, CLIENT_SECRET, SCOPE, CA];
        if !is_used(options) {
            return match own.into_iter().find(|name| options.get(name).is_some()) {
                Some(name) => {
                    Err(error::options(format!("`{name}` is for another mechanism"), "add `sasl.mechanism=OAUTHBEARER`, or leave it out"))
                }
                None => Ok(None),
            };
        }
        let text = |name: &str| options.text(name).map(|text| secret::resolve(name, text, secret::of_process)).transpose();
        match (options.text(METHOD).unwrap_or("default"), options.text(TOKEN)) {
            ("default", Some(token)) => {
                if let Some(name) = own[2..].iter().find(|name| options.get(name).is_some()) {
                    return Err(error::options(format!("`{name}` is for `{METHOD}=oidc`"), format!("add that, or leave `{name}` out")));
                }
                secret::by_name_only(TOKEN, token)?;
                Ok(Some(Tokens::Secret(token.to_owned())))
            }
            ("default", None) => Err(error::options(
                "`sasl.mechanism=OAUTHBEARER` is without a token",
                format!("add `{TOKEN}=\"${{secret.NAME}}\"`, or `{METHOD}=oidc` with `{ENDPOINT}`"),
            )),
            ("oidc", None) => {
                let needed = |name: &'static str| {
                    text(name)?.ok_or_else(|| error::options(format!("`{METHOD}=oidc` is without `{name}`"), format!("add `{name}`")))
                };
                secret::by_name_only(CLIENT_SECRET, options.text(CLIENT_SECRET).unwrap_or("${secret.}"))?;
                let endpoint = needed(ENDPOINT)?;
                if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
                    return Err(error::options(format!("`{ENDPOINT}` is no URL"), "write `https://host/token`"));
                }
                let (id, secret, scope) = (needed(CLIENT_ID)?, needed(CLIENT_SECRET)?, text(SCOPE)?);
                Ok(Some(Tokens::Provider(Provider { http: http(options)?, endpoint, id, secret, scope })))
            }
            ("oidc", Some(_)) => Err(error::options(format!("`{TOKEN}` and `{METHOD}=oidc` exclude each other"), "leave one of them out")),
            (other, _) => Err(error::options(format!("`{METHOD}` is `{other}`"), "write `default` or `oidc`")),
        }
    }

    /// A token that is good now.
    pub(crate) fn next(&self) -> Result<OAuthToken, ConnectorError> {
        let token = match self {
            Tokens::Secret(text) => secret::resolve(TOKEN, text, secret::of_process)?,
            Tokens::Provider(provider) => provider.ask()?,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = claims_of(&token).unwrap_or_default();
        let end = match claims.exp {
            Some(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or_default(),
            None => now + LIFETIME,
        };
        if end <= now {
            return Err(error::token("it has expired"));
        }
        let lifetime_ms = i64::try_from(end.as_millis()).unwrap_or(i64::MAX);
        Ok(OAuthToken { token, principal_name: claims.sub.unwrap_or_else(|| PRINCIPAL.into()), lifetime_ms })
    }
}

/// Whether the options name the mechanism.
pub(crate) fn is_used(options: &Options) -> bool {
    ["sasl.mechanism", "sasl.mechanisms"].iter().any(|name| options.text(name).is_some_and(|m| m.eq_ignore_ascii_case("OAUTHBEARER")))
}

fn http(options: &Options) -> Result<Client, ConnectorError> {
    let mut builder = Client::builder().timeout(PATIENCE);
    if let Some(path) = options.text(CA) {
        let unusable = |why: String| error::options(format!("`{CA}` is of no use: {why}"), "name a file of certificates in PEM");
        let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|e| unusable(e.to_string()))? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    // Without a provider of cryptography the client does not come to be; it says so by a panic.
    match catch_unwind(std::panic::AssertUnwindSafe(|| builder.build())) {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(cause)) => Err(error::token(&cause.to_string())),
        Err(_) => Err(error::bug("the HTTP client has no cryptography")),
    }
}

impl Provider {
    fn ask(&self) -> Result<String, ConnectorError> {
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            form.push_str("&scope=");
            form.extend(scope.bytes().map(encoded));
        }
        let request = self.http.post(&self.endpoint).basic_auth(&self.id, Some(&self.secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let failed = |cause: reqwest::Error| error::token(&format!("the provider does not answer: {}", cause.without_url()));
        let answer = request.send().map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(error::token(&format!("the provider answers with {status}")));
        }
        let text = answer.text().map_err(failed)?;
        // The answer is not shown: it may be half a token.
        let answer: Answer = serde_json::from_str(&text).map_err(|_| error::token("the provider's answer has no `access_token`"))?;
        Ok(answer.access_token)
    }
}

/// A byte as forms have it.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).into() } else { format!("%{byte:02X}") }
}

fn claims_of(token: &str) -> Option<Claims> {
    serde_json::from_slice(&base64url(token.split('.').nth(1)?)?).ok()
}

/// Base64 for URLs, without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for symbol in text.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use runink_connector_api::OptionValue;

    fn options(given: &[(&str, &str)]) -> Options {
        Options(given.iter().map(|(name, value)| ((*name).to_owned(), OptionValue::Text((*value).into()))).collect())
    }

    #[test]
    fn claims_are_read() {
        assert_eq!(base64url("Zm9vYg").unwrap(), b"foob");
        assert_eq!(base64url("-_8").unwrap(), [0xfb, 0xff]);
        assert_eq!(base64url("a b"), None);
        // {"alg":"none"} and {"sub":"ink","exp":12}
        let claims = claims_of("eyJhbGciOiJub25lIn0.eyJzdWIiOiJpbmsiLCJleHAiOjEyfQ.").unwrap();
        assert_eq!((claims.sub.as_deref(), claims.exp), (Some("ink"), Some(12.0)));
        for opaque in ["", "abc", "a.b.c", "a.!.c"] {
            assert!(claims_of(opaque).is_none(), "{opaque}");
        }
    }

    #[test]
    fn options_that_do_not_go_together() {
        let oauth = ("sasl.mechanism", "OAUTHBEARER");
        let secret = (TOKEN, "${secret.T}");
        let full = [oauth, (METHOD, "oidc"), (ENDPOINT, "http://localhost/token"), (CLIENT_ID, "ink")];
        for (given, says) in [
            (vec![secret], "`oauth_token` is for another mechanism"),
            (vec![oauth], "`sasl.mechanism=OAUTHBEARER` is without a token"),
            (vec![oauth, (TOKEN, "abc")], "`oauth_token` is a secret, and its value stands in the text"),
            (vec![oauth, secret, (SCOPE, "all")], "`sasl.oauthbearer.scope` is for `sasl.oauthbearer.method=oidc`"),
            (vec![oauth, (METHOD, "magic")], "`sasl.oauthbearer.method` is `magic`"),
            (vec![oauth, secret, (METHOD, "oidc")], "`oauth_token` and `sasl.oauthbearer.method=oidc` exclude each other"),
            (full.to_vec(), "`sasl.oauthbearer.method=oidc` is without `sasl.oauthbearer.client.secret`"),
            (
                [&full[..], &[(CLIENT_SECRET, "abc")]].concat(),
                "`sasl.oauthbearer.client.secret` is a secret, and its value stands in the text",
            ),
        ] {
            assert_eq!(Tokens::of(&options(&given)).unwrap_err().message, says);
        }
        assert!(Tokens::of(&options(&[])).unwrap().is_none());
        assert!(Tokens::of(&options(&[oauth, secret])).unwrap().is_some());
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!("read write/ü".bytes().map(encoded).collect::<String>(), "read%20write%2F%C3%BC");
    }
}
