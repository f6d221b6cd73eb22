//! A scenario that asks an HTTP service by key, from the text to the files it writes.

use crate::command::{runi, write};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

/// A service of cards: what it was asked for, by whom.
fn service() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let shared = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let shared = shared.clone();
            thread::spawn(move || answer(stream.unwrap(), &shared));
        }
    });
    (url, asked)
}

fn answer(stream: TcpStream, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let (mut request, mut may) = (String::new(), false);
    if reader.read_line(&mut request).unwrap_or_default() == 0 {
        return;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        may |= line.trim_end().eq_ignore_ascii_case("authorization: bearer of-the-test");
        if line.trim_end().is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let (status, text) = match path.as_str() {
        _ if !may => (401, ""),
        "/cards/c1" => (200, "{\"owner\": \"Ann\", \"level\": 3}"),
        "/cards/c2" => (404, ""),
        "/cards/c3" => (400, ""),
        "/cards/c4" => (200, "{\"owner\": \"Bob\", \"level\": -1}"),
        _ => (200, "{\"owner\": \"Cid\"}"),
    };
    asked.lock().unwrap().push(path);
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
}

fn text(url: &str) -> String {
    format!(
        r#"Feature: Cards
  Scenario: Payments with owners
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)
    @source(name=cards, type=http, url="{url}/cards/{{card_id}}", authorization="Bearer ${{secret.CARDS}}", contract=Card@1, key=card_id)
    @step(name=WithOwner, from=payments)
      @do left join cards on cards.card_id = payments.card_id
      @do select payments.id, owner
    @sink(type=file, path="out.jsonl")
    @sink(name=bad, type=file, path="rejected.jsonl", from=rejected)

    Examples: a table stands for the service
      Given payments
        | id | card_id |
        | 1  | c1      |
        | 2  | c2      |
      And cards
        | card_id | owner | level |
        | c1      | Ann   | 1     |
      When the input ends
      Then WithOwner is
        | id | owner |
        | 1  | Ann   |
        | 2  |       |

Contract: Payment version 1
  | field   | type   | rules    |
  | id      | int64  | required |
  | card_id | string | required |

Contract: Card version 1
  | field   | type   | rules         |
  | card_id | string | required, key |
  | owner   | string | required      |
  | level   | int64  | >= 0          |
"#
    )
}

fn run(folder: &Path, secret: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runi"));
    let out = command.arg("run").args(arguments).current_dir(folder).env("RUNINK_SECRET_CARDS", secret).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn lines(path: &Path) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_stream_is_enriched_by_a_service() {
    for more in [&["--workers", "1"][..], &["--workers", "2"], &["--workers", "2", "--state", "state"]] {
        let (url, asked) = service();
        let folder = tempfile::tempdir().unwrap();
        let cards = ["c1", "c2", "c3", "c1", "c4", "c5"];
        let payments: String = cards.iter().enumerate().map(|(id, card)| format!("{{\"id\": {id}, \"card_id\": \"{card}\"}}\n")).collect();
        write(folder.path(), &[("a.dsl", &text(&url)), ("payments.jsonl", &payments)]);
        let stateful = more.contains(&"--state");
        if stateful {
            // Files that come to be whole cannot be written in parts: the folder form can.
            let in_parts =
                text(&url).replace("\"out.jsonl\"", "\"out/\", format=json").replace("\"rejected.jsonl\"", "\"rejected/\", format=json");
            write(folder.path(), &[("a.dsl", &in_parts)]);
        }
        let (code, err) = run(folder.path(), "of-the-test", &[&["a.dsl"], more].concat());
        assert_eq!(code, 0, "{err}");
        let mut asked = asked.lock().unwrap().clone();
        asked.sort();
        assert_eq!(asked, ["/cards/c1", "/cards/c2", "/cards/c3", "/cards/c4", "/cards/c5"], "each key once");
        if stateful {
            continue;
        }
        assert_eq!(
            lines(&folder.path().join("out.jsonl")),
            [
                r#"{"id":0,"owner":"Ann"}"#,
                r#"{"id":1,"owner":null}"#,
                r#"{"id":3,"owner":"Ann"}"#,
                r#"{"id":4,"owner":null}"#,
                r#"{"id":5,"owner":"Cid"}"#
            ]
        );
        let rejected = lines(&folder.path().join("rejected.jsonl")).join("\n");
        assert!(
            rejected.contains(r#""reason":"lookup""#) && rejected.contains("`cards` gave no answer: it answers with 400"),
            "{rejected}"
        );
        // A row of the service that breaks its contract is none.
        assert!(rejected.contains(r#""reason":"contract""#) && rejected.contains("Bob"), "{rejected}");
    }
}

#[test]
fn a_service_that_refuses_stops_the_scenario() {
    let (url, _) = service();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.dsl", &text(&url)), ("payments.jsonl", "{\"id\": 1, \"card_id\": \"c1\"}\n")]);
    let (code, err) = run(folder.path(), "another", &["a.dsl"]);
    assert!(code != 0 && err.contains("HTT002") && err.contains("refuses who asks (401)"), "{code}: {err}");
}

#[test]
fn examples_put_a_table_in_place_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.dsl", &text("http://127.0.0.1:1"))]);
    runi(folder.path(), &["test", "a.dsl"]).ended(0);
}
