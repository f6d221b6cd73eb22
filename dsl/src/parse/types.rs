//! Types of a contract's fields: `decimal(12, 2)`, `list<string>`, `struct<a: int>`.

use super::{contract::within, cursor::quote, out::Out};
use crate::{
    ast::{Spanned, TimeUnit, Type},
    codes,
    suggest::closest,
};
use std::collections::HashSet;

/// Deepest nesting of lists and structs.
pub(crate) const MAX_TYPE_NESTING: usize = 16;
/// Digits of the largest decimal that the engine computes with.
pub(crate) const MAX_DECIMAL_DIGITS: u8 = 38;

const NAMES: [&str; 22] = [
    "boolean",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float",
    "float32",
    "float64",
    "decimal",
    "string",
    "bytes",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "list",
    "struct",
];

/// What other systems call them.
const HABITS: [(&str, &str); 22] = [
    ("bool", "boolean"),
    ("text", "string"),
    ("varchar", "string"),
    ("char", "string"),
    ("str", "string"),
    ("utf8", "string"),
    ("integer", "int64"),
    ("bigint", "int64"),
    ("long", "int64"),
    ("smallint", "int16"),
    ("tinyint", "int8"),
    ("double", "float64"),
    ("real", "float32"),
    ("number", "decimal(18, 2)"),
    ("numeric", "decimal(18, 2)"),
    ("money", "decimal(18, 2)"),
    ("datetime", "timestamp(ms)"),
    ("binary", "bytes"),
    ("blob", "bytes"),
    ("array", "list<…>"),
    ("object", "struct<…>"),
    ("uuid", "string"),
];

/// What is wrong with a type, and where in its text.
struct Problem {
    at: std::ops::Range<usize>,
    message: String,
    hint: Option<String>,
    code: &'static str,
}

/// Reads a cell; reports and gives nothing where it is not a type.
pub(crate) fn read(out: &mut Out<'_>, cell: &Spanned<String>) -> Option<Spanned<Type>> {
    match parse(&cell.value) {
        Ok(found) => Some(Spanned::new(found, cell.span)),
        Err(problem) => {
            let span = within(cell, problem.at.start, problem.at.end);
            let d = out.error(problem.code, span, problem.message);
            let d = match problem.hint {
                Some(hint) => d.hint(hint),
                None => d,
            };
            out.report(d);
            None
        }
    }
}

fn parse(text: &str) -> Result<Type, Problem> {
    let mut reader = Reader { text, at: 0 };
    let found = reader.ty(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.problem(format!("expected the end of the type, found {}", quote(&text[reader.at..])), None));
    }
    Ok(found)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn problem(&self, message: String, hint: Option<String>) -> Problem {
        Problem { at: self.at..self.text.len().max(self.at), message, hint, code: codes::TYPE }
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, c: char) -> bool {
        self.blanks();
        let there = self.text[self.at..].starts_with(c);
        if there {
            self.at += c.len_utf8();
        }
        there
    }

    fn expect(&mut self, c: char, why: &str) -> Result<(), Problem> {
        if self.eat(c) {
            return Ok(());
        }
        let found = if self.at < self.text.len() { quote(&self.text[self.at..]) } else { "the end".into() };
        Err(self.problem(format!("expected `{c}` {why}, found {found}"), None))
    }

    fn word(&mut self) -> &'t str {
        self.blanks();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn ty(&mut self, depth: usize) -> Result<Type, Problem> {
        if depth > MAX_TYPE_NESTING {
            let mut p =
                self.problem(format!("types are nested more than {MAX_TYPE_NESTING} deep"), Some("use `json` for deeper documents".into()));
            p.code = codes::NESTED_TOO_DEEP;
            return Err(p);
        }
        self.blanks();
        let start = self.at;
        let word = self.word();
        let mut found = match word.to_ascii_lowercase().as_str() {
            "boolean" => Type::Boolean,
            "int" | "int64" => Type::Int { bits: 64, signed: true },
            "int8" => Type::Int { bits: 8, signed: true },
            "int16" => Type::Int { bits: 16, signed: true },
            "int32" => Type::Int { bits: 32, signed: true },
            "uint8" => Type::Int { bits: 8, signed: false },
            "uint16" => Type::Int { bits: 16, signed: false },
            "uint32" => Type::Int { bits: 32, signed: false },
            "uint64" => Type::Int { bits: 64, signed: false },
            "float" | "float64" => Type::Float { bits: 64 },
            "float32" => Type::Float { bits: 32 },
            "decimal" => self.decimal(start)?,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "json" => Type::Json,
            "date" => Type::Date,
            "time" => Type::Time(self.unit()?),
            "timestamp" | "timestamptz" => Type::Timestamp(self.unit()?),
            "list" => {
                self.expect('<', "and the type of the elements")?;
                let element = self.ty(depth + 1)?;
                self.expect('>', "after the type of the elements")?;
                Type::List(Box::new(element))
            }
            "struct" => self.fields(depth)?,
            "" => {
                let message = if self.at < self.text.len() {
                    format!("{} is not a type", quote(&self.text[self.at..]))
                } else {
                    "the type is missing".into()
                };
                return Err(self.problem(message, Some("types are for example string, int64, decimal(12, 2), timestamp(ms)".into())));
            }
            lower => {
                let habit = HABITS.iter().find(|(name, _)| *name == lower).map(|(_, meant)| format!("write `{meant}`"));
                let hint = habit.or_else(|| closest(lower, NAMES.into_iter().chain(["json"])).map(|m| format!("did you mean `{m}`?")));
                let hint =
                    hint.unwrap_or_else(|| "types are for example string, int64, decimal(12, 2), timestamp(ms), list<string>, json".into());
                return Err(Problem {
                    at: start..self.at,
                    message: format!("{} is not a type", quote(word)),
                    hint: Some(hint),
                    code: codes::TYPE,
                });
            }
        };
        let mut lists = depth;
        while self.eat('[') {
            self.expect(']', "after `[`")?;
            lists += 1;
            if lists > MAX_TYPE_NESTING {
                return Err(self.problem(format!("types are nested more than {MAX_TYPE_NESTING} deep"), None));
            }
            found = Type::List(Box::new(found));
        }
        Ok(found)
    }

    fn decimal(&mut self, start: usize) -> Result<Type, Problem> {
        let example = || Some("write `decimal(12, 2)`: digits in all, and digits after the point".to_owned());
        if !self.eat('(') {
            return Err(Problem { at: start..self.at, message: "a decimal needs its digits".into(), hint: example(), code: codes::TYPE });
        }
        let precision = self.word().parse::<u8>().ok();
        let scale = if self.eat(',') { self.word().parse::<i8>().ok() } else { Some(0) };
        self.expect(')', "after the digits")?;
        match (precision, scale) {
            (Some(precision), Some(scale))
                if (1..=MAX_DECIMAL_DIGITS).contains(&precision) && (0..=precision).contains(&scale.unsigned_abs()) =>
            {
                Ok(Type::Decimal { precision, scale })
            }
            (Some(precision), Some(_)) if precision > MAX_DECIMAL_DIGITS => {
                let message = format!("a decimal has at most {MAX_DECIMAL_DIGITS} digits");
                Err(Problem { at: start..self.at, message, hint: None, code: codes::TYPE })
            }
            _ => Err(Problem {
                at: start..self.at,
                message: "the digits of this decimal do not fit".into(),
                hint: example(),
                code: codes::TYPE,
            }),
        }
    }

    /// `(ms)`; microseconds where absent.
    fn unit(&mut self) -> Result<TimeUnit, Problem> {
        if !self.eat('(') {
            return Ok(TimeUnit::Microsecond);
        }
        let start = self.at;
        let unit = match self.word() {
            "s" => TimeUnit::Second,
            "ms" => TimeUnit::Millisecond,
            "us" => TimeUnit::Microsecond,
            "ns" => TimeUnit::Nanosecond,
            other => {
                let message = format!("{} is not a unit of time", quote(other));
                let digits = match other {
                    "0" => Some("s"),
                    "3" => Some("ms"),
                    "6" => Some("us"),
                    "9" => Some("ns"),
                    _ => None,
                };
                let hint = digits.map_or_else(|| "the units are `s`, `ms`, `us` and `ns`".into(), |unit| format!("write `{unit}`"));
                return Err(Problem { at: start..self.at, message, hint: Some(hint), code: codes::TYPE });
            }
        };
        self.expect(')', "after the unit")?;
        Ok(unit)
    }

    fn fields(&mut self, depth: usize) -> Result<Type, Problem> {
        self.expect('<', "and the fields")?;
        let mut fields: Vec<(String, Type)> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let name = self.word().to_owned();
            if name.is_empty() {
                return Err(self.problem("the name of a field is missing".into(), Some("write `struct<name: string, age: int>`".into())));
            }
            if !seen.insert(name.clone()) {
                return Err(self.problem(format!("two fields are called `{name}`"), None));
            }
            self.expect(':', "between a field's name and its type")?;
            fields.push((name, self.ty(depth + 1)?));
            if !self.eat(',') {
                break;
            }
        }
        self.expect('>', "after the fields")?;
        Ok(Type::Struct(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Type {
        parse(text).unwrap_or_else(|p| panic!("{text}: {}", p.message))
    }

    #[test]
    fn types_are_read() {
        assert_eq!(good("decimal(12, 2)"), Type::Decimal { precision: 12, scale: 2 });
        assert_eq!(good("timestamp(ms)"), Type::Timestamp(TimeUnit::Millisecond));
        assert_eq!(good("timestamptz"), Type::Timestamp(TimeUnit::Microsecond));
        assert_eq!(good("string[]"), Type::List(Box::new(Type::String)));
        let nested = good("list<struct<a: int, b: list<string>>>");
        assert!(matches!(nested, Type::List(inner) if matches!(&*inner, Type::Struct(f) if f.len() == 2)));
    }

    #[test]
    fn wrong_types_say_what_is_wrong() {
        let hint = |text: &str| parse(text).err().and_then(|p| p.hint).unwrap_or_default();
        assert_eq!(hint("varchar"), "write `string`");
        assert_eq!(hint("strng"), "did you mean `string`?");
        assert_eq!(hint("timestamp(3)"), "write `ms`");
        for bad in
            ["decimal", "decimal(39,2)", "decimal(2,3)", "list<", "struct<a>", "struct<a: int, a: int>", "", "int int", "é", "list<string"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"list<".repeat(100_000)).is_err());
        assert!(parse(&format!("int{}", "[]".repeat(100_000))).is_err());
    }
}
