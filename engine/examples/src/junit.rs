//! Reports as JUnit XML, which CI systems read: a test suite for each scenario, a test case for each example.

use crate::{
    render::render,
    report::{ExampleReport, Outcome},
};
use runink_dsl::Sources;
use std::{fmt::Write, time::Duration};

/// All examples of a run as one document. Each report comes with the texts that it speaks of.
pub fn to_junit<'r>(reports: impl IntoIterator<Item = (&'r ExampleReport, &'r Sources)>) -> String {
    let mut suites: Vec<Suite> = Vec::new();
    for (report, sources) in reports {
        let path = sources.get(report.file).map_or("", |f| f.path.as_str());
        let name = (report.scenario.as_str(), path);
        if suites.last().is_none_or(|s| (s.scenario.as_str(), s.path.as_str()) != name) {
            suites.push(Suite { scenario: report.scenario.clone(), path: path.to_owned(), ..Suite::default() });
        }
        if let Some(suite) = suites.last_mut() {
            suite.add(report, sources);
        }
    }
    let total = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let time: Duration = suites.iter().map(|s| s.duration).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _infallible = writeln!(
        out,
        "<testsuites name=\"runi test\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        total(|s| s.tests),
        total(|s| s.failures),
        total(|s| s.errors),
        seconds(time)
    );
    for suite in &suites {
        let _infallible = writeln!(
            out,
            "  <testsuite name={} file={} tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
            quoted(&suite.scenario),
            quoted(&suite.path),
            suite.tests,
            suite.failures,
            suite.errors,
            seconds(suite.duration)
        );
        out.push_str(&suite.cases);
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

#[derive(Default)]
struct Suite {
    scenario: String,
    path: String,
    tests: usize,
    failures: usize,
    errors: usize,
    duration: Duration,
    cases: String,
}

impl Suite {
    fn add(&mut self, report: &ExampleReport, sources: &Sources) {
        self.tests += 1;
        self.duration += report.duration;
        let out = &mut self.cases;
        let _infallible = write!(
            out,
            "    <testcase classname={} name={} file={} line=\"{}\" time=\"{}\"",
            quoted(&report.scenario),
            quoted(&report.title.value),
            quoted(&self.path),
            sources.position(report.file, report.title.span.start).0,
            seconds(report.duration)
        );
        let (element, message) = match &report.outcome {
            Outcome::Passed => {
                out.push_str("/>\n");
                return;
            }
            Outcome::Failed(mismatches) => {
                self.failures += 1;
                ("failure", mismatches.first().map(|m| format!("{} is not as expected", m.output)).unwrap_or_default())
            }
            Outcome::Broken(diagnostics) => {
                self.errors += 1;
                ("error", diagnostics.first().map(|d| format!("{}: {}", d.code, d.message)).unwrap_or_default())
            }
        };
        let _infallible =
            writeln!(out, ">\n      <{element} message={}>{}</{element}>", quoted(&message), escaped(&render(report, sources, false)));
        out.push_str("    </testcase>\n");
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.6}", duration.as_secs_f64())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text as XML. What XML 1.0 has no form for becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_xml() {
        assert_eq!(escaped("a < b && \"c\" > d\u{1b}[31m\n"), "a &lt; b &amp;&amp; &quot;c&quot; &gt; d?[31m\n");
    }
}
