//! A contract's promises, checked on every row right after its source: one expectation per rule, with the rule's own text.

use super::{
    Heard, Lowering, Said,
    stream::{Flow, column_expr},
};
use crate::{
    ExpectAction, ExpectStage, RowStageKind, catalogue as codes,
    expr::Functions,
    types::{arrow_type, type_name},
};
use arrow::datatypes::DataType;
use datafusion_common::{ScalarValue, format::DEFAULT_CAST_OPTIONS};
use datafusion_expr::{Expr, Operator, binary_expr, expr::ScalarFunction, lit, planner::ContextProvider};
use runink_connector_api::RejectReason;
use runink_dsl::{
    FileId,
    ast::{Contract, Field, Rule, Span, Spanned},
};

impl Lowering<'_> {
    /// Adds the stages of a contract's rules. Defaults come first: a missing value that has one is not missing.
    pub(super) fn contract_rules(&mut self, flow: &mut Flow, file: FileId, contract: &Contract) -> Heard<()> {
        let mut failed = self.defaults(flow, file, contract).is_err();
        for field in &contract.fields {
            let required = field.rules.iter().any(|r| r.value == Rule::Required);
            for rule in &field.rules {
                match self.rule(file, field, rule, required) {
                    Ok(Some((predicate, text))) => flow.stage(RowStageKind::Expect(ExpectStage {
                        predicate,
                        text,
                        reason: RejectReason::Contract,
                        otherwise: ExpectAction::Reject,
                    })),
                    Ok(None) => {}
                    Err(Said) => failed = true,
                }
            }
        }
        if failed { Err(Said) } else { Ok(()) }
    }

    fn defaults(&mut self, flow: &mut Flow, file: FileId, contract: &Contract) -> Heard<()> {
        let mut projected = Vec::new();
        let mut any = false;
        for (index, field) in contract.fields.iter().enumerate() {
            let mut column = flow.keep(index);
            for rule in &field.rules {
                let Rule::Default(text) = &rule.value else { continue };
                let value = self.literal(file, rule.span, field, text)?;
                let args = vec![column_expr(&field.name.value), lit(value)];
                column.expr = function("coalesce", args).ok_or(Said)?;
                column.column.direct = false;
                any = true;
            }
            projected.push(column);
        }
        if !any {
            return Ok(());
        }
        // The event time and the key keep their places: a default fills them in, it does not make them something else.
        let (time, kind) = (flow.stream.time.clone(), flow.stream.kind.clone());
        let columns: Vec<_> = projected.iter().map(|p| p.column.clone()).collect();
        let exprs = projected.into_iter().map(|p| (p.expr, p.column.name().to_owned())).collect();
        flow.stream.columns = columns;
        flow.stage(RowStageKind::Project(exprs));
        (flow.stream.time, flow.stream.kind) = (time, kind);
        Ok(())
    }

    /// A rule as a predicate and its text; nothing where there is nothing to check row by row.
    fn rule(&mut self, file: FileId, field: &Field, rule: &Spanned<Rule>, required: bool) -> Heard<Option<(Expr, String)>> {
        let name = &field.name.value;
        let column = || column_expr(name);
        let (check, text) = match &rule.value {
            Rule::Required => return Ok(Some((column().is_not_null(), format!("{name} required")))),
            Rule::Key | Rule::EventTime | Rule::Default(_) => return Ok(None),
            Rule::Unique => {
                let message = format!("`unique` on `{name}` is a promise: it is not checked row by row");
                self.warn(
                    codes::UNIQUE_DECLARED,
                    file,
                    rule.span,
                    message,
                    "count it in a step where it matters, for example `aggregate n = count(*) by …`",
                );
                return Ok(None);
            }
            Rule::Matches(pattern) => {
                self.is_text(file, field, rule.span, "matches")?;
                if let Err(why) = arrow_pattern(pattern) {
                    let message = format!("`{pattern}` is not a regular expression: {why}");
                    return Err(self.error(
                        codes::BAD_PATTERN,
                        file,
                        rule.span,
                        message,
                        "the syntax is that of Rust's `regex`; a literal `(`, `[`, `*` needs a backslash",
                    ));
                }
                let call = function("regexp_like", vec![column(), lit(pattern.as_str())]).ok_or(Said)?;
                (call, format!("{name} matches '{pattern}'"))
            }
            Rule::OneOf(values) => {
                let list = values.iter().map(|v| Ok(lit(self.literal(file, rule.span, field, v)?))).collect::<Heard<Vec<_>>>()?;
                (column().in_list(list, false), format!("{name} one of {}", values.join(", ")))
            }
            Rule::Compare { op, value } => {
                let literal = self.literal(file, rule.span, field, value)?;
                (binary_expr(column(), self.operator(file, rule.span, op)?, lit(literal)), format!("{name} {op} {value}"))
            }
            Rule::Between { low, high } => {
                let (l, h) = (self.literal(file, rule.span, field, low)?, self.literal(file, rule.span, field, high)?);
                (column().between(lit(l), lit(h)), format!("{name} between {low} and {high}"))
            }
            Rule::Length { op, value } => {
                self.is_text(file, field, rule.span, "length")?;
                let length = function("character_length", vec![column()]).ok_or(Said)?;
                // The function counts in 32 bits; a longer bound holds for every text.
                let bound = i32::try_from(*value).unwrap_or(i32::MAX);
                (binary_expr(length, self.operator(file, rule.span, op)?, lit(bound)), format!("{name} length {op} {value}"))
            }
        };
        // A missing value breaks no rule but `required`.
        let check = if required { check } else { column().is_null().or(check) };
        Ok(Some((check, text)))
    }

    fn is_text(&mut self, file: FileId, field: &Field, span: Span, rule: &str) -> Heard<()> {
        let ty = arrow_type(&field.ty.value);
        if ty == DataType::Utf8 {
            return Ok(());
        }
        let message = format!("`{rule}` is a rule for text, and `{}` is {}", field.name.value, type_name(&ty));
        Err(self.error(codes::RULE_TYPE, file, span, message, "compare it instead, for example `>= 0`, or make the field a string"))
    }

    fn operator(&mut self, file: FileId, span: Span, op: &str) -> Heard<Operator> {
        match op {
            "<" => Ok(Operator::Lt),
            "<=" => Ok(Operator::LtEq),
            ">" => Ok(Operator::Gt),
            ">=" => Ok(Operator::GtEq),
            "=" => Ok(Operator::Eq),
            "<>" | "!=" => Ok(Operator::NotEq),
            _ => Err(self.error(
                codes::RULE_TYPE,
                file,
                span,
                format!("`{op}` is not a comparison"),
                "use `<`, `<=`, `>`, `>=`, `=` or `<>`",
            )),
        }
    }

    /// A literal of a rule, typed as its field.
    fn literal(&mut self, file: FileId, span: Span, field: &Field, text: &str) -> Heard<ScalarValue> {
        let ty = arrow_type(&field.ty.value);
        let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
        let plain = inner.map_or_else(|| text.to_owned(), |t| t.replace("''", "'"));
        let value = ScalarValue::Utf8(Some(plain)).cast_to_with_options(&ty, &DEFAULT_CAST_OPTIONS);
        value.map_err(|_| {
            let message = format!("`{text}` cannot be read as {}, the type of `{}`", type_name(&ty), field.name.value);
            self.error(codes::RULE_TYPE, file, span, message, "change the literal or the field's type")
        })
    }
}

/// A call of a function that is known to be there.
pub(super) fn function(name: &str, args: Vec<Expr>) -> Option<Expr> {
    let function = Functions::get().get_function_meta(name)?;
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))
}

/// Whether the kernel that runs the pattern will take it; why not.
fn arrow_pattern(pattern: &str) -> Result<(), String> {
    use arrow::array::StringArray;
    let (text, patterns) = (StringArray::from(vec![""]), StringArray::from(vec![pattern]));
    match arrow::compute::kernels::regexp::regexp_is_match(&text, &patterns, None::<&StringArray>) {
        Ok(_) => Ok(()),
        Err(e) => {
            // The regex library draws the pattern over several lines; the last of them says what is wrong.
            let text = e.to_string().replace("\\n", "\n");
            let why = text.lines().rev().find_map(|l| l.trim().strip_prefix("error: ")).unwrap_or("it cannot be read");
            Err(why.trim_end_matches([')', '"']).to_owned())
        }
    }
}
