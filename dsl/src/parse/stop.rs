//! Where an expression ends: the clauses that may follow it, told from SQL's own use of the same words.

use super::cursor::Cursor;
use crate::syntax::SyntaxKind::*;

/// A clause that can end an expression, and how it is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Comma,
    By,
    Per,
    /// `in tumbling(…)`; SQL's `in (…)` is no clause.
    In,
    Having,
    /// `emit on`, `emit every`.
    Emit,
    /// `allowed lateness`.
    Allowed,
    /// `at most`.
    AtMost,
    /// `keep state`, `keep for`.
    Keep,
    /// `keep first`, `keep last`.
    KeepRow,
    /// `within 5s`; SQL's `within group` is no clause.
    Within,
    /// `as of`.
    AsOf,
    /// `as name`.
    As,
    /// `with ties`.
    WithTies,
    /// `order by`.
    OrderBy,
    Otherwise,
    Where,
    /// `after match`.
    AfterMatch,
    /// `with partial`.
    WithPartial,
    Give,
    /// The token that begins at this byte.
    At(usize),
}

impl Stop {
    /// The word that begins it; empty for the comma.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Stop::Comma | Stop::At(_) => "",
            Stop::By => "by",
            Stop::Per => "per",
            Stop::In => "in",
            Stop::Having => "having",
            Stop::Emit => "emit",
            Stop::Allowed => "allowed",
            Stop::AtMost => "at",
            Stop::Keep | Stop::KeepRow => "keep",
            Stop::Within => "within",
            Stop::AsOf | Stop::As => "as",
            Stop::WithTies => "with",
            Stop::OrderBy => "order",
            Stop::Otherwise => "otherwise",
            Stop::Where => "where",
            Stop::AfterMatch => "after",
            Stop::WithPartial => "with",
            Stop::Give => "give",
        }
    }

    /// How its clause is written, for those that more than one word tells from SQL.
    pub(crate) fn usage(self) -> &'static str {
        match self {
            Stop::In => "`in tumbling(1m)`",
            Stop::Emit => "`emit on close`, `emit on change` or `emit every 10s`",
            Stop::Allowed => "`allowed lateness 5m`",
            Stop::AtMost => "`at most 100 rounds`",
            Stop::Keep => "`keep state for 7d` or `keep for ever`",
            Stop::KeepRow => "`keep first` or `keep last`",
            Stop::Within => "`within 5s`",
            Stop::AsOf => "`as of <column>`",
            Stop::WithTies => "`with ties`",
            Stop::OrderBy => "`order by <column>`",
            Stop::AfterMatch => "`after match skip to next row`",
            Stop::WithPartial => "`with partial as <name>`",
            _ => "the clause in full",
        }
    }

    /// Whether it begins at the next token.
    pub(crate) fn begins(self, c: &Cursor<'_, '_>) -> bool {
        if self == Stop::Comma {
            return c.punct(0, ",");
        }
        if let Stop::At(place) = self {
            return c.place() == place;
        }
        if !c.word(0, self.word()) {
            return false;
        }
        match self {
            Stop::In => matches!(c.kind(1), Some(IDENT | NUMBER)),
            Stop::Emit => c.word(1, "on") || c.word(1, "every"),
            Stop::Allowed => c.word(1, "lateness"),
            Stop::AtMost => c.word(1, "most"),
            Stop::Keep => c.word(1, "state") || c.word(1, "for"),
            Stop::KeepRow => c.word(1, "first") || c.word(1, "last"),
            Stop::Within => !c.word(1, "group"),
            Stop::AsOf => c.word(1, "of"),
            Stop::As => matches!(c.kind(1), Some(IDENT | STRING | VARIABLE)) && !c.word(1, "of"),
            Stop::WithTies => c.word(1, "ties"),
            Stop::OrderBy => c.word(1, "by"),
            Stop::AfterMatch => c.word(1, "match"),
            Stop::WithPartial => c.word(1, "partial"),
            _ => true,
        }
    }
}
