//! Kafka behind TLS and SASL, with a real broker (`deploy/kafka/start --secure`): who is known is let in, for sources, for sinks and exactly once; who is not is
//! told so at once; and no secret is seen anywhere.

use crate::{
    docs::{Keeper, free_ports},
    support::{Ran, ran, root, runi},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
};

/// How many ports a broker with all its listeners has.
const PORTS: u16 = 6;
/// What the OpenID provider wants to see.
const CLIENT_SECRET: &str = "c1fe5d17a4b0";

struct Broker {
    port: u16,
    certificates: PathBuf,
    _folder: tempfile::TempDir,
    /// Secrets that are none of the broker's as well.
    secrets: PathBuf,
    provider: u16,
    _keeper: Keeper,
}

fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        // Ports that are free now may be taken a moment later: then others are tried.
        let start = |attempt: u32| {
            let (port, data) = (free_ports(PORTS), folder.path().join(format!("data-{attempt}")));
            let keeper = Keeper::of(&data);
            let out = Command::new(root().join("deploy/kafka/start")).arg("--secure").arg(port.to_string()).arg(&data).output().unwrap();
            if out.status.success() { Ok((port, data, keeper)) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
        };
        let (port, data, keeper) = start(0).or_else(|_| start(1)).or_else(|_| start(2)).unwrap();
        let secrets = data.join("secrets");
        // {"alg":"none"}.{"sub":"ink","exp":1000000000}: long ago.
        fs::write(secrets.join("OLD_TOKEN"), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJpbmsiLCJleHAiOjEwMDAwMDAwMDB9.").unwrap();
        fs::write(secrets.join("NO_TOKEN"), "b3a1c94e77d2").unwrap();
        fs::write(secrets.join("CLIENT"), CLIENT_SECRET).unwrap();
        let provider = provider(fs::read_to_string(secrets.join("INK_TOKEN")).unwrap());
        Broker { port, certificates: data.join("certificates"), _folder: folder, secrets, provider, _keeper: keeper }
    })
}

/// An OpenID provider that knows one client, `ink`.
fn provider(token: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length, mut known) = (String::new(), 0, false);
            while stream.read_line(&mut line).unwrap() > 2 {
                let (name, value) = line.split_once(':').unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap(),
                    // `ink:` and the secret.
                    "authorization" => known = value.trim() == "Basic aW5rOmMxZmU1ZDE3YTRiMA==",
                    _ => {}
                }
                line.clear();
            }
            let mut form = vec![0; length];
            stream.read_exact(&mut form).unwrap();
            let known = known && form == b"grant_type=client_credentials&scope=kafka%20all";
            let (status, body) = if known {
                ("200 OK", format!(r#"{{"access_token":"{token}","expires_in":600}}"#))
            } else {
                ("401 Unauthorized", String::new())
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    port
}

impl Broker {
    fn certificate(&self, name: &str) -> String {
        self.certificates.join(name).display().to_string()
    }

    /// Options for one of the listeners, by its distance from the first port.
    fn at(&self, listener: u16, more: &str) -> String {
        format!("brokers=\"127.0.0.1:{}\"{more}", self.port + listener)
    }

    fn tls(&self, listener: u16, authority: &str, more: &str) -> String {
        self.at(listener, &format!(", security.protocol=SSL, ssl.ca.location=\"{}\"{more}", self.certificate(authority)))
    }

    fn sasl(&self, mechanism: &str, user: &str, secret: &str) -> String {
        let more = format!(
            "security.protocol=SASL_PLAINTEXT, sasl.mechanism={mechanism}, sasl.username={user}, sasl.password=\"${{secret.{secret}}}\""
        );
        self.at(3, &format!(", {more}"))
    }

    /// The same in TLS.
    fn sasl_tls(&self, mechanism: &str, user: &str, secret: &str) -> String {
        let plain = self.sasl(mechanism, user, secret).replace(&(self.port + 3).to_string(), &(self.port + 4).to_string());
        plain.replace("SASL_PLAINTEXT", "SASL_SSL") + &format!(", ssl.ca.location=\"{}\"", self.certificate("ca.pem"))
    }

    fn token(&self, secret: &str) -> String {
        self.at(3, &format!(", security.protocol=SASL_PLAINTEXT, sasl.mechanism=OAUTHBEARER, oauth_token=\"${{secret.{secret}}}\""))
    }

    fn oidc(&self, client: &str) -> String {
        let provider = format!(
            "sasl.oauthbearer.method=oidc, sasl.oauthbearer.token.endpoint.url=\"http://127.0.0.1:{}/token\", sasl.oauthbearer.client.id={client}, \
             sasl.oauthbearer.client.secret=\"${{secret.CLIENT}}\", sasl.oauthbearer.scope=\"kafka all\"",
            self.provider
        );
        self.at(3, &format!(", security.protocol=SASL_PLAINTEXT, sasl.mechanism=OAUTHBEARER, {provider}"))
    }

    /// Runs the command in a folder, and looks for secrets in all that is left of it.
    fn run(&self, folder: &Path, arguments: &[&str]) -> Ran {
        let ran = ran(runi(folder, arguments).env("RUNINK_SECRETS", &self.secrets));
        let mut left =
            vec![("its output".to_owned(), ran.out.clone().into_bytes()), ("its errors".to_owned(), ran.err.clone().into_bytes())];
        files(folder, &mut left);
        for secret in fs::read_dir(&self.secrets).unwrap() {
            let path = secret.unwrap().path();
            let secret = fs::read_to_string(&path).unwrap();
            let secret = secret.trim().as_bytes();
            for (place, bytes) in &left {
                assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{} stands in {place}", path.display());
            }
        }
        ran
    }
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// What a committed reader sees, through the listener that knows nobody.
fn kcat(topic: &str) -> Vec<String> {
    let address = format!("127.0.0.1:{}", broker().port);
    let out = Command::new("kcat")
        .args(["-C", "-q", "-e", "-b", &address, "-t", topic, "-X", "isolation.level=read_committed"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut lines: Vec<_> = String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// How many messages a group has not read, as an independent member of it sees.
fn behind(group: &str, topic: &str) -> usize {
    let address = format!("127.0.0.1:{}", broker().port);
    let out =
        Command::new("kcat").args(["-q", "-e", "-b", &address, "-X", "auto.offset.reset=earliest", "-G", group, topic]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout.iter().filter(|b| **b == b'\n').count()
}

fn fill(topic: &str, options: &str, events: u32) -> String {
    format!(
        "Feature: Fill
  Scenario: Fill {topic}
    @source(name=bids, type=nexmark, kind=bid, events={events})
    @step(name=Sent)
      @do select auction, bidder, price
    @sink(type=kafka, {options}, topic={topic}, partitions=2, key=auction)
"
    )
}

fn copy(from: &str, to: &str, options: &str) -> String {
    format!(
        "Contract: Bid version 1
  | field   | type | rules    |
  | auction | int  | required |
  | bidder  | int  | required |
  | price   | int  | required |

Feature: Copy
  Scenario: Copy {to}
    @source(name=bids, type=kafka, {options}, topic={from}, until=latest, contract=Bid@1)
    @sink(type=kafka, {options}, topic={to}, key=auction, delivery=exactly-once)
"
    )
}

/// Fills a topic, copies it exactly once, looks at it in all ways, and copies it again: all rows are there once.
fn read_and_write(name: &str, options: &str) {
    let (broker, options) = (broker(), options.to_owned());
    let plain = broker.at(0, "");
    let folder = tempfile::tempdir().unwrap();
    let run = |file: &str, text: String, arguments: &[&str]| {
        fs::write(folder.path().join(file), text).unwrap();
        let ran = broker.run(folder.path(), arguments);
        assert_eq!(ran.code, 0, "{name}: {}", ran.err);
        ran
    };
    let (from, to) = (format!("{name}-from"), format!("{name}-to"));
    // With tokens no topic is made: these are there before.
    run("from.dsl", fill(&from, &plain, 1), &["run", "from.dsl"]);
    run("to.dsl", fill(&to, &plain, 1), &["run", "to.dsl"]);
    run("fill.dsl", fill(&from, &options, 500), &["run", "fill.dsl"]);
    let written = kcat(&from);
    assert_eq!(written.len(), 460, "{name}");
    let noisy = copy(&from, &to, &(options.clone() + ", debug=\"security,conf,broker\""));
    run("copy.dsl", noisy, &["run", "copy.dsl", "--state", "state"]);
    assert_eq!(kcat(&to), written, "{name}");
    run("copy.dsl", copy(&from, &to, &options), &["explain", "copy.dsl"]);
    run("copy.dsl", copy(&from, &to, &options), &["fmt", "copy.dsl"]);
    run("copy.dsl", copy(&from, &to, &options), &["checkpoint", "list", "state"]);
    assert_eq!(behind(&format!("runink-Copy {to}-bids"), &from), 0, "{name}: the group shows that nothing is left to read");
    // A second run finds the markers, and has nothing to write.
    run("copy.dsl", copy(&from, &to, &options), &["run", "copy.dsl", "--state", "state"]);
    assert_eq!(kcat(&to), written, "{name}");
}

#[test]
fn who_is_known_reads_and_writes_exactly_once() {
    let broker = broker();
    let mutual = format!(
        ", ssl.certificate.location=\"{}\", ssl.key.location=\"{}\"",
        broker.certificate("client.pem"),
        broker.certificate("client.key")
    );
    let ways = [
        ("tls", broker.tls(2, "ca.pem", "")),
        ("mutual", broker.tls(2, "ca.pem", &mutual)),
        ("scram-256", broker.sasl("SCRAM-SHA-256", "ink", "INK")),
        ("scram-512", broker.sasl_tls("SCRAM-SHA-512", "ink", "INK")),
        ("plain-tls", broker.sasl_tls("PLAIN", "ink", "INK")),
        ("token", broker.token("INK_TOKEN")),
        ("oidc", broker.oidc("ink")),
    ];
    // First: this makes the topic of markers, which with tokens must be there.
    read_and_write("plain", &broker.sasl("PLAIN", "ink", "INK"));
    thread::scope(|scope| {
        for (name, options) in &ways {
            scope.spawn(move || read_and_write(name, options));
        }
    });
}

#[test]
fn who_is_not_known_is_told_so() {
    let broker = broker();
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (broker.sasl("PLAIN", "ink", "GUEST"), "KAF012", "Authentication failed: Invalid username or password"),
        (broker.sasl("SCRAM-SHA-256", "nobody", "GUEST"), "KAF012", "invalid credentials with SASL mechanism SCRAM-SHA-256"),
        (broker.sasl_tls("SCRAM-SHA-512", "ink", "GUEST"), "KAF012", "invalid credentials with SASL mechanism SCRAM-SHA-512"),
        (broker.sasl("SCRAM-SHA-1", "ink", "INK"), "KAF012", "Unsupported SASL mechanism"),
        (broker.sasl("PLAIN", "ink", "MISSING"), "KAF006", "there is no secret `MISSING` for `sasl.password`"),
        (broker.sasl("PLAIN", "guest", "GUEST"), "KAF004", "TopicAuthorizationFailed"),
        (broker.token("GUEST_TOKEN"), "KAF004", "TopicAuthorizationFailed"),
        (broker.token("OLD_TOKEN"), "KAF015", "it has expired"),
        (broker.token("NO_TOKEN"), "KAF012", "the brokers at"),
        (broker.oidc("stranger"), "KAF015", "the provider answers with 401 Unauthorized"),
        (broker.tls(2, "stranger.pem", ""), "KAF013", "broker certificate could not be verified"),
        (broker.tls(5, "ca.pem", ""), "KAF013", "broker certificate could not be verified"),
        (broker.tls(2, "missing.pem", ""), "KAF005", "ssl.ca.location"),
    ];
    for (options, code, says) in cases {
        for text in [fill("refused", &options, 10), copy("refused", "refused-too", &options)] {
            fs::write(folder.path().join("refused.dsl"), &text).unwrap();
            let ran = broker.run(folder.path(), &["run", "refused.dsl", "--state", "state"]);
            assert!(ran.code != 0 && ran.err.contains(code) && ran.err.contains(says), "{code} {says}:\n{text}{}", ran.err);
            assert!(ran.err.contains("hint: "), "{}", ran.err);
        }
    }
}

/// Where topics are made nobody asks for tokens.
#[test]
fn with_a_token_no_topic_is_made() {
    let broker = broker();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fill.dsl"), fill("not-there", &broker.token("INK_TOKEN"), 10)).unwrap();
    let ran = broker.run(folder.path(), &["run", "fill.dsl"]);
    assert!(ran.err.contains("KAF014") && ran.err.contains("make it by hand"), "{}", ran.err);
}
