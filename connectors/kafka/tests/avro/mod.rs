//! Avro and Protobuf through a schema registry. The registry here is an emulator: a few lines that speak the part of Confluent's HTTP that is used.

use crate::support::*;
use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::DataType,
    record_batch::RecordBatch,
};
use runink_connector_api::OptionValue;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What the emulator has: schemas by number, subjects by name, and how often it was asked.
#[derive(Default)]
struct Kept {
    /// Texts and kinds.
    schemas: Vec<(String, String)>,
    subjects: BTreeMap<String, usize>,
    /// What schemas import, by number.
    references: BTreeMap<usize, serde_json::Value>,
    asked: usize,
}

struct Emulator {
    url: String,
    kept: Arc<Mutex<Kept>>,
}

/// Who may ask: `user:pass`, as basic authentication has it.
const WHO: &str = "Basic dXNlcjpwYXNz";

fn emulator() -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Kept::default()));
    let shared = kept.clone();
    thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap(), &shared)));
    Emulator { url, kept }
}

fn answer(stream: TcpStream, kept: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).unwrap();
    let (mut length, mut who) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => who = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut kept = kept.lock().unwrap();
    kept.asked += 1;
    let path: Vec<&str> = request.split(' ').nth(1).unwrap().trim_matches('/').split('/').collect();
    let (status, text) = match path.as_slice() {
        _ if who != WHO => (401, "{}".to_owned()),
        ["schemas", "ids", id] => match kept.schemas.get(id.parse::<usize>().unwrap().wrapping_sub(1)) {
            Some((schema, kind)) => (200, {
                let references = kept.references.get(&id.parse().unwrap()).cloned().unwrap_or_else(|| serde_json::json!([]));
                serde_json::json!({ "schema": schema, "schemaType": kind, "references": references }).to_string()
            }),
            None => (404, "{\"error_code\":40403}".into()),
        },
        ["subjects", subject, "versions", "latest" | "1"] => match kept.subjects.get(*subject) {
            Some(at) => {
                let (schema, kind) = &kept.schemas[*at];
                (200, serde_json::json!({ "id": at + 1, "schema": schema, "schemaType": kind }).to_string())
            }
            None => (404, "{}".into()),
        },
        ["subjects", subject, "versions"] => {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let kind = body["schemaType"].as_str().unwrap_or("AVRO").to_owned();
            let schema = (body["schema"].as_str().unwrap().to_owned(), kind);
            let at = kept.schemas.iter().position(|s| *s == schema).unwrap_or_else(|| {
                kept.schemas.push(schema);
                kept.schemas.len() - 1
            });
            kept.subjects.insert((*subject).to_owned(), at);
            (200, format!("{{\"id\":{}}}", at + 1))
        }
        _ => (404, "{}".into()),
    };
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
}

fn given(url: &str, more: &[(&'static str, OptionValue)]) -> Vec<(&'static str, OptionValue)> {
    given_as("avro", url, more)
}

fn given_as(format: &str, url: &str, more: &[(&'static str, OptionValue)]) -> Vec<(&'static str, OptionValue)> {
    let base = [
        ("format", text(format)),
        ("schema_registry", text(url)),
        ("schema_registry_user", text("user")),
        ("schema_registry_password", text("${secret.OF_THE_EMULATOR}")),
    ];
    base.into_iter().chain(more.iter().cloned()).collect()
}

fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(vec![1, 2]))), ("name", Arc::new(StringArray::from(vec![Some("one"), None])))];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

/// Secrets come from files here: a test cannot set the environment of its process.
fn secrets() {
    assert_eq!(std::env::var("RUNINK_SECRET_OF_THE_EMULATOR").as_deref(), Ok("pass"), "the binary is started again with its secrets");
}

/// The tests need a secret in the environment, which only a new process can be given.
#[test]
fn through_a_registry() {
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["avro::with_secrets", "--ignored", "--nocapture"])
        .env("RUNINK_SECRET_OF_THE_EMULATOR", "pass")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && shown.contains("3 passed"), "{shown}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
#[ignore = "started by `through_a_registry`"]
fn with_secrets_rows_come_back() {
    secrets();
    let emulator = emulator();
    let topic = topic("avro", 1);
    let sink = connector().sink(sink_config(&topic, &given(&emulator.url, &[]), &batch().schema())).unwrap();
    let mut writer = sink.writer(ALONE).unwrap();
    writer.write(&batch(), None).unwrap();
    writer.finish().unwrap();
    assert_eq!(emulator.kept.lock().unwrap().subjects.keys().collect::<Vec<_>>(), [&format!("{topic}-value")]);
    put(&topic, &values(0, &["\0\0\0\0\u{7f}?", "nonsense"]));

    let until = [("until", text("latest"))];
    let mut config = source_config(options(&topic, &given(&emulator.url, &until)), &batch().schema());
    config.schema = None;
    let found = connector().discover(&config).unwrap();
    let columns: Vec<_> = found.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
    assert_eq!(columns, [("id", DataType::Int64), ("name", DataType::Utf8)]);

    let before = emulator.kept.lock().unwrap().asked;
    let chunks = drain(source(&topic, &given(&emulator.url, &until), &batch().schema()).reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"0@0 {"id":1,"name":"one"}"#, r#"0@1 {"id":2,"name":null}"#]);
    let rejects: Vec<_> = chunks.iter().flat_map(|c| &c.rejects).map(|r| (r.position, r.message.as_str())).collect();
    let expected = [
        (2, "not Avro: there is no schema 127 in the registry"),
        (3, "not Avro: the message does not begin with a zero and a schema's number"),
    ];
    assert_eq!(rejects, expected);
    assert_eq!(emulator.kept.lock().unwrap().asked - before, 2, "each schema is looked up once");
}

#[test]
#[ignore = "started by `through_a_registry`"]
fn with_secrets_rows_come_back_as_protobuf() {
    secrets();
    let emulator = emulator();
    let topic = topic("protobuf", 1);
    let named = [("message", text("shop.Person"))];
    let sink = connector().sink(sink_config(&topic, &given_as("protobuf", &emulator.url, &named), &batch().schema())).unwrap();
    let mut writer = sink.writer(ALONE).unwrap();
    writer.write(&batch(), None).unwrap();
    writer.finish().unwrap();
    let schema = "syntax = \"proto3\";\npackage shop;\nmessage Person {\n  optional int64 id = 1;\n  optional string name = 2;\n}\n";
    assert_eq!(emulator.kept.lock().unwrap().schemas, [(schema.to_owned(), "PROTOBUF".to_owned())]);
    // A producer with a schema that imports another one.
    {
        let mut kept = emulator.kept.lock().unwrap();
        kept.schemas.push(("syntax = \"proto3\"; message Name { string first = 1; }".into(), "PROTOBUF".into()));
        kept.subjects.insert("name".into(), 1);
        kept.schemas
            .push(("syntax = \"proto3\"; import \"name.proto\"; message P { Name full = 1; int64 id = 7; }".into(), "PROTOBUF".into()));
        kept.references.insert(3, serde_json::json!([{ "name": "name.proto", "subject": "name", "version": 1 }]));
    }
    put(&topic, &values(0, &["\0\0\0\0\u{3}\0\n\u{3}\n\u{1}x8\u{9}", "\0\0\0\0\u{7f}\0", "nonsense", "\0\0\0\0\u{1}\0\u{9}"]));

    let until = [("until", text("latest"))];
    let mut config = source_config(options(&topic, &given_as("protobuf", &emulator.url, &until)), &batch().schema());
    config.schema = None;
    let found = connector().discover(&config).unwrap();
    let columns: Vec<_> = found.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
    assert_eq!(columns, [("id", DataType::Int64), ("name", DataType::Utf8)]);

    let options = given_as("protobuf", &emulator.url, &until);
    let chunks = drain(source(&topic, &options, &batch().schema()).reader(ALONE).unwrap().as_mut());
    let expected = [r#"0@0 {"id":1,"name":"one"}"#, r#"0@1 {"id":2,"name":null}"#, r#"0@2 {"id":9,"name":null}"#];
    assert_eq!(rows(&chunks), expected);
    let rejects: Vec<_> = chunks.iter().flat_map(|c| &c.rejects).map(|r| (r.position, r.message.as_str())).collect();
    let expected = [
        (3, "not Protobuf: there is no schema 127 in the registry"),
        (4, "not Protobuf: the message does not begin with a zero and a schema's number"),
        (5, "not Protobuf: expected the rest of a number, but the message ends behind byte 7"),
    ];
    assert_eq!(rejects, expected);
}

#[test]
#[ignore = "started by `through_a_registry`"]
fn with_secrets_registries_that_do_not_help_are_named() {
    secrets();
    let topic = topic("no-registry", 1);
    let sink = |given: &[(&str, OptionValue)]| error_of(connector().sink(sink_config(&topic, given, &batch().schema())));
    assert_eq!(sink(&[("format", text("avro"))]).code, "KAF001");
    assert_eq!(sink(&given("127.0.0.1:1", &[])).code, "KAF001");
    assert_eq!(sink(&given("http://127.0.0.1:1", &[])).code, "KAF040");
    let other = emulator();
    let wrong: Vec<_> =
        given(&other.url, &[]).into_iter().map(|(n, v)| if n == "schema_registry_user" { (n, text("eve")) } else { (n, v) }).collect();
    assert_eq!(sink(&wrong).code, "KAF041");
    let inline: Vec<_> =
        given(&other.url, &[]).into_iter().map(|(n, v)| if n == "schema_registry_password" { (n, text("pass")) } else { (n, v) }).collect();
    assert_eq!(sink(&inline).code, "KAF006");
}
