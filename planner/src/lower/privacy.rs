//! Fields that must not be read: mask, hash, truncate, redact, as expressions.

use super::{
    Heard, Lowering, Said,
    contract::function,
    step::Work,
    stream::{Column, Projected, column_expr},
};
use crate::catalogue as codes;
use arrow::datatypes::{DataType, Field};
use datafusion_expr::{Expr, cast, lit};
use runink_dsl::ast::{Privacy, Span};
use std::sync::Arc;

/// What stands where a value was redacted.
const REDACTED: &str = "***";
/// Digests that `mask` and `hash` know.
const DIGESTS: [&str; 5] = ["sha256", "sha224", "sha384", "sha512", "md5"];

impl Lowering<'_> {
    pub(super) fn privacy(&mut self, work: &mut Work<'_>, span: Span, privacy: &Privacy) -> Heard<()> {
        let file = work.texts.file;
        let verb = privacy.verb.value.to_lowercase();
        let with = match &privacy.with {
            Some(with) => Some(self.text(work.texts, &with.value, with.span, false)?.text.trim().to_owned()),
            None => None,
        };
        let at = privacy.with.as_ref().map_or(privacy.verb.span, |w| w.span);
        let names = privacy.columns.iter().map(|c| c.value.as_str()).collect::<Vec<_>>().join(", ");
        let hide: Box<dyn Fn(Expr) -> Option<Expr>> = match verb.as_str() {
            "mask" | "hash" => {
                let digest = with.as_deref().map(str::to_lowercase);
                let Some(known) = digest.as_deref().and_then(|d| DIGESTS.into_iter().find(|k| *k == d)) else {
                    let message = match &with {
                        Some(with) => format!("`{with}` is not a digest that `{verb}` knows"),
                        None => format!("`{verb}` needs a digest"),
                    };
                    let hint = format!("write `{verb} {names} with sha256`; there are {}", runink_dsl::suggest::list_of(&DIGESTS));
                    return Err(self.error(codes::PRIVACY, file, at, message, hint));
                };
                Box::new(move |text| digest_of(known, text))
            }
            "truncate" => {
                let Some(length) = with.as_deref().and_then(|w| w.parse::<u32>().ok()) else {
                    let message = "`truncate` needs a number of characters";
                    return Err(self.error(codes::PRIVACY, file, at, message, format!("write `truncate {names} with 4`")));
                };
                Box::new(move |text| function("left", vec![text, lit(i64::from(length))]))
            }
            "redact" => {
                if with.is_some() {
                    let message = "`redact` takes no argument: it puts `***` where the value was";
                    return Err(self.error(
                        codes::PRIVACY,
                        file,
                        at,
                        message,
                        format!("write `redact {names}`, or set a text of your own"),
                    ));
                }
                Box::new(|_| Some(lit(REDACTED)))
            }
            _ => return Err(self.refused_privacy(file, privacy)),
        };
        let mut projected: Vec<Projected> = (0..work.flow.columns().len()).map(|i| work.flow.keep(i)).collect();
        for name in &privacy.columns {
            let index = self.column(work.texts, name, work.flow.columns())?;
            let old = &work.flow.columns()[index];
            let ty = old.field.data_type();
            if ty.is_nested() || matches!(ty, DataType::Binary) && verb == "truncate" {
                let message = format!("`{verb}` works on text, and `{}` is {}", old.name(), crate::types::type_name(ty));
                return Err(self.error(codes::PRIVACY, file, name.span, message, "take the part out first with `@do set`"));
            }
            let value = column_expr(old.name());
            let text = if matches!(ty, DataType::Utf8 | DataType::Binary) { value } else { cast(value, DataType::Utf8) };
            let column = Column {
                field: Arc::new(Field::new(old.name(), DataType::Utf8, true)),
                direct: false,
                constant: None,
                from: if verb == "redact" { Default::default() } else { old.from.clone() },
                origins: old.origins.clone(),
            };
            projected[index] = Projected { expr: hide(text).ok_or(Said)?, column };
        }
        self.project(work, span, projected)
    }
}

/// A digest in hexadecimal digits.
fn digest_of(digest: &str, text: Expr) -> Option<Expr> {
    let digested = function(digest, vec![text])?;
    if digest == "md5" {
        return Some(cast(digested, DataType::Utf8));
    }
    function("encode", vec![digested, lit("hex")])
}
