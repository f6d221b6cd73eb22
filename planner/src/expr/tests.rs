//! Expressions: their types, their literals, and what is said of mistakes.

#![allow(clippy::unwrap_used)]
use super::*;
use arrow::datatypes::TimeUnit;
use runink_dsl::ast::Span;

fn columns() -> Vec<Column> {
    let inner = DataType::Struct(vec![Field::new("city", DataType::Utf8, true), Field::new("zip", DataType::Int64, true)].into());
    let fields = [
        ("amount", DataType::Decimal128(12, 2)),
        ("status", DataType::Utf8),
        ("n", DataType::Int64),
        ("price", DataType::Float64),
        ("at", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("day", DataType::Date32),
        ("user", DataType::Utf8),
        ("ok", DataType::Boolean),
        ("address", inner),
        ("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))),
    ];
    let origin = |name: &str| crate::lower::stream::Origin { relation: "payments".into(), column: name.into() };
    fields.into_iter().map(|(name, ty)| Column { origins: vec![origin(name)], ..Column::new(Field::new(name, ty, true)) }).collect()
}

fn text(sql: &str) -> Substituted {
    Substituted { text: sql.to_owned(), parts: vec![(0, Span::new(0, sql.len()))] }
}

fn planned(sql: &str) -> Typed {
    plan(&text(sql), FileId(0), &columns(), Place::Row).unwrap_or_else(|e| panic!("{sql}: {e:?}"))
}

/// The code, what the caret is under, the message and the hint.
fn wrong(sql: &str) -> String {
    let errors = plan(&text(sql), FileId(0), &columns(), Place::Row).expect_err(sql);
    let lines: Vec<String> = errors
        .iter()
        .map(|d| format!("{} [{}] {} ({})", d.code, &sql[d.span.range()], d.message, d.hint.as_deref().unwrap_or("")))
        .collect();
    lines.join("\n")
}

#[test]
fn types_are_what_a_user_expects() {
    for (sql, ty) in [
        ("amount > 0", "boolean"),
        ("amount >= 0.5", "boolean"),
        ("at >= '2026-01-01'", "boolean"),
        ("at >= '2026-01-01T10:00:00Z'", "boolean"),
        ("at - interval '1 hour'", "timestamp(ms)"),
        ("day = '2026-01-31'", "boolean"),
        ("upper(status)", "string"),
        ("md5(status)", "string"),
        ("Amount", "decimal(12, 2)"),
        ("payments.amount", "decimal(12, 2)"),
        ("user", "string"),
        ("address.city", "string"),
        ("payments.address.zip", "int64"),
        ("tags[1]", "string"),
        ("status in ('a', 'b')", "boolean"),
        ("n between 1 and 3", "boolean"),
        ("case when n > 3 then 'many' else 'few' end", "string"),
        ("cast(status as int)", "int32"),
        ("status::bigint", "int64"),
        ("extract(hour from at)", "int32"),
        ("date_trunc('hour', at)", "timestamp(ms)"),
        ("coalesce(n, 0)", "int64"),
        ("price * 1.1", "float64"),
        ("amount * 2", "decimal(14, 2)"),
        ("amount + 100", "decimal(13, 2)"),
        ("n / 2", "int64"),
        ("status || '!'", "string"),
        ("substring(status from 2 for 3)", "string"),
        ("position('a' in status)", "int32"),
        ("trim(status)", "string"),
        ("status like 'a%'", "boolean"),
        ("status ~ '^a'", "boolean"),
        ("ok is not true", "boolean"),
        ("status is distinct from 'x'", "boolean"),
        ("array_length(tags)", "uint64"),
        ("regexp_like(status, '^a')", "boolean"),
        ("n % 3 = 0", "boolean"),
        ("round(price)", "float64"),
        ("to_timestamp(status)", "timestamp(ns)"),
        ("to_char(at, '%Y')", "string"),
        ("encode(sha256(status), 'hex')", "string"),
        ("nullif(n, 0)", "int64"),
        ("greatest(n, 3)", "int64"),
        ("split_part(status, '-', 1)", "string"),
    ] {
        assert_eq!(type_name(planned(sql).field.data_type()), ty, "{sql}");
    }
}

#[test]
fn literals_are_cast_once() {
    let typed = planned("at >= '2026-01-01'");
    assert!(typed.expr.to_string().contains("TimestampMillisecond(1767225600000"), "{}", typed.expr);
}

#[test]
fn casts_stay_strict() {
    assert!(planned("cast(status as int)").expr.to_string().starts_with("CAST"), "never TRY_CAST");
}

#[test]
fn mistakes_are_said_where_they_are() {
    let mut all = String::new();
    for sql in [
        "amout > 0",
        "payments.amout > 0",
        "orders.amount > 0",
        "status = \"declined\"",
        "upperr(status)",
        "amount > ",
        "amount >> ",
        "(amount > 0",
        "amount == 0",
        "ok && ok",
        "amount > 0 status",
        "amount + status",
        "n > status",
        "status = 5",
        "status and ok",
        "not n",
        "sum(amount)",
        "sum(amount) over (partition by status)",
        "(select 1)",
        "n in (select 1)",
        "now()",
        "current_date = day",
        "random() < 0.1",
        "at > '2026-13-01'",
        "n = 'abc'",
        "null",
        "address.street",
        "n.x",
        "status = 'open",
        "upper(n, n)",
        "ok + 1",
        "unnest(tags)",
        "case when n then 1 end",
        "n like 'a%'",
        "abs(status)",
        "cast(n as wibble)",
        "",
        "n ? 1",
        "?",
        "$1",
        "@x",
        "*",
        "count(*)",
        "n is 3",
        "status in ()",
        "extract(hour from n)",
        "if(n > 1, 'a', 'b')",
        "tags = 'a'",
    ] {
        all.push_str(&format!("{sql}\n    {}\n", wrong(sql).replace('\n', "\n    ")));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expression_mistakes.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &all).unwrap();
    }
    assert_eq!(all, std::fs::read_to_string(path).unwrap_or_default());
}

#[test]
fn depth_and_length_have_bounds() {
    let deep = format!("{}n{}", "(".repeat(500), ")".repeat(500));
    assert!(wrong(&deep).starts_with("PLN112"));
    let chain = vec!["n"; 5_000].join(" + ");
    assert!(wrong(&chain).starts_with("PLN112"));
    let long = vec!["n"; 300].join(" + ");
    assert!(wrong(&long).starts_with("PLN112"));
    let list = format!("n in ({})", (0..5_000).map(|i| i.to_string()).collect::<Vec<_>>().join(", "));
    assert_eq!(type_name(planned(&list).field.data_type()), "boolean");
    assert_eq!(type_name(planned(&vec!["n = 1"; 90].join(" or ")).field.data_type()), "boolean");
}
