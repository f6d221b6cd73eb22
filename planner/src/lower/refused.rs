//! What the language can say and the plan cannot yet: refused by name, with what works instead.

use super::{Lowering, Said};
use crate::catalogue as codes;
use runink_dsl::{
    FileId,
    ast::{Action, Privacy, Span, Spanned},
};

impl Lowering<'_> {
    /// Refuses a construct.
    pub(super) fn not_yet(&mut self, file: FileId, span: Span, construct: &str, instead: &str) -> Said {
        self.error(codes::NOT_YET, file, span, format!("{construct} cannot run yet"), instead)
    }

    pub(super) fn refused(&mut self, file: FileId, action: &Spanned<Action>) -> Said {
        let (construct, instead): (String, &str) = match &action.value {
            Action::Other { verb, .. } => {
                let instead = match verb.value.to_lowercase().as_str() {
                    "call" => "use DataFusion's functions in `@do set`",
                    _ => "use the lines that the language reference lists as executable",
                };
                (format!("`{}`", verb.value), instead)
            }
            Action::Iterate(_) => ("a recursion inside a recursion".into(), "let one step find its fixed point, and another one read it"),
            _ => ("this line".into(), "use another one"),
        };
        self.not_yet(file, action.span, &construct, instead)
    }

    pub(super) fn refused_privacy(&mut self, file: FileId, privacy: &Privacy) -> Said {
        let construct = format!("`{}`", privacy.verb.value);
        self.not_yet(
            file,
            privacy.verb.span,
            &construct,
            "it needs keys, which are not there; `mask … with sha256`, `truncate … with n` and `redact` work",
        )
    }
}
