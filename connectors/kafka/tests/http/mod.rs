//! HTTP services asked for the rows of keys. The service here is an emulator: a few lines that answer as its script says.

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, StringArray},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_connector_api::{Answers, ConnectorError, Lookup, OptionValue, Options, SourceConfig};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// How often each path was asked for, and how many questions were open at once.
#[derive(Default)]
struct Seen {
    asked: BTreeMap<String, usize>,
    open: usize,
    most_open: usize,
    authorization: Option<String>,
}

struct Emulator {
    url: String,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// `meet`: a question is answered only when so many are open at once.
fn emulator(meet: usize, script: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static) -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen: Arc<(Mutex<Seen>, Condvar)> = Arc::default();
    let (shared, script) = (seen.clone(), Arc::new(script));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, shared, script) = (stream.unwrap(), shared.clone(), script.clone());
            thread::spawn(move || answer(stream, &shared, meet, script.as_ref()));
        }
    });
    Emulator { url, seen }
}

fn answer(stream: TcpStream, (seen, changed): &(Mutex<Seen>, Condvar), meet: usize, script: &dyn Fn(&str, usize) -> (u16, String)) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    if reader.read_line(&mut request).unwrap_or_default() == 0 {
        return;
    }
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let mut guard = seen.lock().unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => guard.authorization = Some(value.to_owned()),
            Some(_) => {}
            None => break,
        }
    }
    let times = guard.asked.entry(path.clone()).or_default();
    *times += 1;
    let times = *times;
    guard.open += 1;
    guard.most_open = guard.most_open.max(guard.open);
    changed.notify_all();
    while guard.most_open < meet {
        guard = changed.wait(guard).unwrap();
    }
    guard.open -= 1;
    drop(guard);
    let (status, text) = script(&path, times);
    if status != 0 {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
        // The one who asks may have lost patience.
        let _ = reader.get_mut().write_all(answer.as_bytes());
    } else {
        // No answer: the connection stays open until the other side has enough.
        let _ = reader.read_line(&mut request);
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("id", DataType::Int64, false),
        Field::new("limit", DataType::Int32, true),
        Field::new("unread", DataType::Utf8, false),
    ]))
}

fn open(url: &str, more: &[(&str, OptionValue)]) -> Result<Arc<dyn Lookup>, ConnectorError> {
    let connectors = runink_kafka::connectors();
    let http = connectors.iter().find(|c| c.spec().name == "http").unwrap();
    let mut options: BTreeMap<String, OptionValue> = BTreeMap::from([
        ("url".to_owned(), OptionValue::Text(url.to_owned())),
        ("timeout".to_owned(), OptionValue::Duration(20_000_000)),
        ("tries".to_owned(), OptionValue::Count(3)),
        ("in_flight".to_owned(), OptionValue::Count(4)),
    ]);
    options.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    http.lookup(SourceConfig {
        name: "cards".into(),
        options: Options(options),
        base_dir: PathBuf::new(),
        schema: Some(schema()),
        projection: vec![0, 1, 2],
        predicates: vec![],
        key: vec!["id".into()],
        time_column: None,
        batch_rows: 2,
    })
}

fn keys(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef)]).unwrap()
}

fn rows(answers: &Answers) -> Vec<(i64, String, Option<i32>)> {
    let rows = &answers.rows;
    assert_eq!(rows.schema().fields().len(), 3);
    let (names, ids, limits) =
        (rows.column(0).as_string::<i32>(), rows.column(1).as_primitive::<Int64Type>(), rows.column(2).as_primitive::<Int32Type>());
    (0..rows.num_rows()).map(|i| (ids.value(i), names.value(i).to_owned(), limits.iter().nth(i).flatten())).collect()
}

#[test]
fn answers_become_rows_and_each_failure_is_its_keys_own() {
    let service = emulator(0, |path, times| match (path, times) {
        ("/cards/1", _) => (200, "{\"name\": \"one\",\n \"limit\": 5, \"other\": []}".into()),
        ("/cards/2", _) => (404, "no".into()),
        ("/cards/3", 1) => (503, String::new()),
        ("/cards/3", 2) => (429, String::new()),
        ("/cards/3", _) => (200, "{\"name\": \"three\"}".into()),
        ("/cards/4", _) => (500, String::new()),
        ("/cards/5", _) => (200, "nothing".into()),
        ("/cards/6", _) => (200, "{\"limit\": 1}".into()),
        ("/cards/7", _) => (400, String::new()),
        ("/cards/8", _) => (204, String::new()),
        _ => (200, "{\"name\": \"nine\", \"id\": 1, \"limit\": null}".into()),
    });
    let lookup = open(&format!("{}/cards/{{id}}", service.url), &[]).unwrap();
    let mut answers = lookup.get(&keys(1..=9)).unwrap();
    assert_eq!(rows(&answers), [(1, "one".into(), Some(5)), (3, "three".into(), None), (9, "nine".into(), None)]);
    answers.failed.sort();
    let failed: Vec<(usize, &str)> = answers.failed.iter().map(|(at, why)| (*at, why.as_str())).collect();
    assert_eq!(failed.iter().map(|f| f.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert!(
        failed[0].1.contains("500") && failed[1].1.contains("JSON") && failed[2].1.contains("name") && failed[3].1.contains("400"),
        "{failed:?}"
    );
    let asked = &service.seen.0.lock().unwrap().asked;
    let often = |id: u8| asked[&format!("/cards/{id}")];
    assert_eq!((often(1), often(2), often(3), often(4), often(7)), (1, 1, 3, 3, 1));
}

#[test]
fn keys_are_asked_side_by_side_and_not_too_many() {
    let service = emulator(4, |_, _| (200, "{\"name\": \"n\"}".into()));
    let lookup = open(&format!("{}/cards/{{id}}", service.url), &[]).unwrap();
    assert_eq!(rows(&lookup.get(&keys(0..40)).unwrap()).len(), 40);
    assert_eq!(service.seen.0.lock().unwrap().most_open, 4);
}

#[test]
fn a_service_that_does_not_answer_costs_its_time_once() {
    let service = emulator(0, |_, _| (0, String::new()));
    let lookup = open(&format!("{}/cards/{{id}}", service.url), &[("timeout", OptionValue::Duration(300_000))]).unwrap();
    let answers = lookup.get(&keys(0..100)).unwrap();
    assert_eq!((answers.rows.num_rows(), answers.failed.len()), (0, 100));
    // Only those that were on the way when the time was over have been asked for.
    assert!(service.seen.0.lock().unwrap().asked.len() <= 8);
}

#[test]
fn whoever_is_refused_stops() {
    let service = emulator(0, |_, _| (403, String::new()));
    let lookup = open(&format!("{}/cards/{{id}}", service.url), &[]).unwrap();
    let error = lookup.get(&keys([1])).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), ("HTT002", "the service that `cards` asks refuses who asks (403)"));
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let url = "http://127.0.0.1:1/{id}";
    for (url, option, said) in [
        ("http://h/", None, "where `id`"),
        (url, Some(("timeout", OptionValue::Duration(0))), "no time at all"),
        (url, Some(("tries", OptionValue::Count(0))), "`tries` is 0"),
        (url, Some(("in_flight", OptionValue::Count(1000))), "`in_flight` is 1000"),
    ] {
        let Err(error) = open(url, option.as_slice()) else { panic!("{url} {option:?}") };
        assert!(error.code == "HTT001" && error.message.contains(said), "{error}");
    }
    let Err(error) = open(url, &[("authorization", OptionValue::Text("Bearer x".into()))]) else { panic!() };
    assert_eq!(error.code, "KAF006");
}

#[test]
fn a_key_of_several_columns_and_no_other_column() {
    let service = emulator(0, |path, _| if path == "/a%2Fb/7" { (200, "[1]".into()) } else { (404, String::new()) });
    let connectors = runink_kafka::connectors();
    let http = connectors.iter().find(|c| c.spec().name == "http").unwrap();
    let text = |t: String| OptionValue::Text(t);
    let options = BTreeMap::from([
        ("url".to_owned(), text(format!("{}/{{name}}/{{id}}", service.url))),
        ("timeout".to_owned(), OptionValue::Duration(20_000_000)),
    ]);
    let lookup = http
        .lookup(SourceConfig {
            name: "cards".into(),
            options: Options(options),
            base_dir: PathBuf::new(),
            schema: Some(schema()),
            projection: vec![0, 1],
            predicates: vec![],
            key: vec!["id".into(), "name".into()],
            time_column: None,
            batch_rows: 100,
        })
        .unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(vec![7, 8]))), ("name", Arc::new(StringArray::from(vec!["a/b", "c"])))];
    let answers = lookup.get(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    assert!(answers.failed.is_empty());
    let row = (answers.rows.column(0).as_string::<i32>().value(0), answers.rows.column(1).as_primitive::<Int64Type>().value(0));
    assert_eq!((answers.rows.num_rows(), row), (1, ("a/b", 7)));
}
