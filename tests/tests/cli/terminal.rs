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
