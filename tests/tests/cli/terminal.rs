//! What a person sees. `script`, which every Debian has, gives the command a terminal.

use super::bench::{Bench, ORDER, orders, text};

fn on_a_terminal(bench: &Bench, command: &str) -> (i32, String) {
    let ran = bench.shell(&format!("TERM=xterm script -qec '{command}' /dev/null < /dev/null"));
    (ran.code, ran.out.replace('\r', ""))
}

#[test]
fn rows_come_as_a_table_and_a_summary_closes() {
    let bench = Bench::new(&[
        "Feature: T\n  Scenario: Look\n    @source(name=o, type=file, path=\"orders.jsonl\", contract=Order@1)\n    @step(name=Large)\n      @when amount >= 99\n      @do select id, who\n    @sink(type=stdout)\n",
        ORDER,
    ]);
    let mut rows = orders(1000);
    rows.push("nonsense".into());
    bench.write("orders.jsonl", text(&rows));
    let (code, shown) = on_a_terminal(&bench, "runi run s.dsl --color never");
    assert_eq!(code, 0, "{shown}");
    for part in [" id  who\n", "───", "Look: completed in", "filtered", "1 rejected, the first of them:", "decode in o orders.jsonl:1001: "]
    {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(!shown.contains("{\"") && !shown.contains('\u{1b}'), "{shown}");
    let (_, colored) = on_a_terminal(&bench, "runi run s.dsl");
    assert!(colored.contains("\u{1b}[1mLook\u{1b}[0m"), "{colored}");
    assert!(!on_a_terminal(&bench, "NO_COLOR=1 runi run s.dsl").1.contains("\u{1b}[1m"));
}

#[test]
fn windows_that_broke_an_expectation_are_in_the_summary() {
    let scenario = |otherwise: &str| {
        format!(
            "Feature: T\n  Scenario: Watch\n    @source(name=o, type=file, path=\"orders.jsonl\", contract=Order@1)\n    @step(name=Seen)\n      \
             @when id < 70 or id > 200\n      @then at least 30 rows per 1m\n      @then share of who = 'u1' < 10% over 1m otherwise {otherwise}\n    \
             @sink(type=blackhole)\n"
        )
    };
    let bench = Bench::new(&[&scenario("alert"), ORDER]);
    bench.write("orders.jsonl", text(&orders(300)));
    let (code, shown) = on_a_terminal(&bench, "runi run s.dsl --color never");
    assert_eq!(code, 0, "{shown}");
    for part in [
        "  Seen: at least 30 rows per 1m: broken in 2 of 5 windows, the first of them:\n    2026-01-01 00:01:00 to 2026-01-01 00:02:00: 10 rows\n    \
         2026-01-01 00:02:00 to 2026-01-01 00:03:00: 0 rows\n",
        "  Seen: share of who = 'u1' < 10% over 1m: broken in 4 of 4 windows, the first of them:\n    \
         2026-01-01 00:00:00 to 2026-01-01 00:01:00: 60 rows, 9 of which it counts\n",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let bench = Bench::new(&[&scenario("fail"), ORDER]);
    bench.write("orders.jsonl", text(&orders(300)));
    let (code, shown) = on_a_terminal(&bench, "runi run s.dsl --color never");
    assert_ne!(code, 0, "{shown}");
    let part = "`share of who = 'u1' < 10% over 1m` does not hold for the window from 2026-01-01T00:00:00Z: it is true for 9 of 60 rows";
    assert!(shown.contains(part), "{shown}");
}

#[test]
fn progress_shows_rows_and_the_watermark() {
    let bench = Bench::new(&[
        "Feature: T\n  Scenario: Run\n    @source(name=t, type=ticks, rate=2000, count=1000)\n    @sink(type=file, path=\"out.jsonl\")\n",
    ]);
    let (code, shown) = on_a_terminal(&bench, "runi run s.dsl");
    assert_eq!((code, bench.lines("out.jsonl").len()), (0, 1000));
    for part in [" rows/s", "watermark 2026-01-01 00:00:00", "completed in", "1,000"] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
}
