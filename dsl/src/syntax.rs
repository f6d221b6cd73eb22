//! The lossless tree: every byte of a text is in it, in order, whatever is wrong with the text.
//!
//! The formatter and editors walk it. Its shape is by lines: a block (`SCENARIO`, `EXAMPLES`, …) holds a `HEADING` and then one node per
//! logical line, and each of those ends with its `NEWLINE` (that of annotations, of which a line may hold several, stands after them). Blank lines and lines with only a comment are bare tokens of the block they
//! stand in. What could not be understood is an `ERROR` node.
//!
//! ```text
//! ROOT        FEATURE | STEP_TEMPLATE | CONTRACT | ERROR …
//! FEATURE     HEADING (PROSE | METADATA | ANNOTATION | BACKGROUND | SCENARIO) …
//! SCENARIO    HEADING (PROSE | METADATA | ANNOTATION | STEP | EXAMPLES) …      annotations directly above a heading are inside, before it
//! STEP        ANNOTATION (PROSE | WHEN | DO | THEN) …
//! EXAMPLES    HEADING PROSE… (EXAMPLE_LINE TABLE?)…
//! CONTRACT    HEADING (PROSE | METADATA | TABLE) …
//! HEADING     KEYWORD COLON (TEXT | code tokens)                               code tokens: `Step:` and `Contract:`
//! METADATA    KEYWORD COLON TEXT
//! ANNOTATION  AT KEYWORD ( "(" ARG ("," ARG)* ")" )?      ARG: NAME "=" VALUE  VALUE: tokens, or nested VALUEs
//! WHEN        AT KEYWORD EXPR
//! DO          AT KEYWORD KEYWORD(the verb) (ITEM | NAME | EXPR | CLAUSE | PATTERN | ",") …
//! THEN        AT KEYWORD … EXPR … CLAUSE(otherwise)
//! ITEM        (NAME "=")? EXPR ("as" NAME)?   or   NAME … in lists of names, renames and split arms
//! CLAUSE      KEYWORD+ …        one per `by`, `in`, `having`, `emit`, `allowed`, `keep`, `on`, `within`, `as of`, `per`, `with`, `otherwise`, …
//! PATTERN     NAME … with QUANTIFIER (`+`, `{2,5}`) and the words of patterns as KEYWORD
//! TABLE       ROW …             ROW: PIPE (CELL PIPE)…     CELL: blanks and TEXT
//! ```

/// What a token or a node of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(non_camel_case_types, missing_docs)]
#[repr(u16)]
pub enum SyntaxKind {
    /// Blanks and tabs inside a line.
    WHITESPACE,
    /// `\n` or `\r\n`.
    NEWLINE,
    /// `# …` up to the end of the line.
    COMMENT,
    /// A bare word of code.
    IDENT,
    /// A word that the grammar knows at its place: headings, metadata keys, annotation names, verbs, clause words.
    KEYWORD,
    /// A number with its unit, if it has one: `3`, `1.5`, `1h30m`, `64MiB`.
    NUMBER,
    /// `"…"`: a text in annotations, a quoted name in expressions.
    STRING,
    /// `'…'`.
    SQL_STRING,
    /// `"""…"""`.
    TRIPLE_STRING,
    /// `${…}`.
    VARIABLE,
    /// Any operator or punctuation of code.
    PUNCT,
    /// `@` before an annotation's name.
    AT,
    /// `|` of a table.
    PIPE,
    /// `:` after a heading's or metadata line's keyword.
    COLON,
    /// Free text: titles, values of metadata, prose lines, cells.
    TEXT,
    /// A character or quote that no token begins with, or an unclosed string.
    UNKNOWN,

    ROOT,
    FEATURE,
    BACKGROUND,
    SCENARIO,
    EXAMPLES,
    STEP_TEMPLATE,
    CONTRACT,
    HEADING,
    PARAM,
    PROSE,
    METADATA,
    STEP,
    ANNOTATION,
    ARG,
    VALUE,
    WHEN,
    DO,
    THEN,
    NAME,
    ITEM,
    EXPR,
    CLAUSE,
    PATTERN,
    QUANTIFIER,
    EXAMPLE_LINE,
    TABLE,
    ROW,
    CELL,
    ERROR,
}

use SyntaxKind::*;

impl SyntaxKind {
    const ALL: [SyntaxKind; 45] = [
        WHITESPACE,
        NEWLINE,
        COMMENT,
        IDENT,
        KEYWORD,
        NUMBER,
        STRING,
        SQL_STRING,
        TRIPLE_STRING,
        VARIABLE,
        PUNCT,
        AT,
        PIPE,
        COLON,
        TEXT,
        UNKNOWN,
        ROOT,
        FEATURE,
        BACKGROUND,
        SCENARIO,
        EXAMPLES,
        STEP_TEMPLATE,
        CONTRACT,
        HEADING,
        PARAM,
        PROSE,
        METADATA,
        STEP,
        ANNOTATION,
        ARG,
        VALUE,
        WHEN,
        DO,
        THEN,
        NAME,
        ITEM,
        EXPR,
        CLAUSE,
        PATTERN,
        QUANTIFIER,
        EXAMPLE_LINE,
        TABLE,
        ROW,
        CELL,
        ERROR,
    ];

    /// Blanks, line ends and comments: what separates the tokens of code.
    pub fn is_trivia(self) -> bool {
        matches!(self, WHITESPACE | NEWLINE | COMMENT)
    }
}

/// The language, for the tree's library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dsl {}

impl rowan::Language for Dsl {
    type Kind = SyntaxKind;

    fn kind_from_raw(raw: rowan::SyntaxKind) -> SyntaxKind {
        SyntaxKind::ALL.get(raw.0 as usize).copied().unwrap_or(ERROR)
    }

    fn kind_to_raw(kind: SyntaxKind) -> rowan::SyntaxKind {
        rowan::SyntaxKind(kind as u16)
    }
}

/// A node.
pub type SyntaxNode = rowan::SyntaxNode<Dsl>;
/// A token.
pub type SyntaxToken = rowan::SyntaxToken<Dsl>;
/// A node or a token.
pub type SyntaxElement = rowan::SyntaxElement<Dsl>;

#[cfg(test)]
mod tests {
    use super::*;
    use rowan::Language;

    #[test]
    fn every_kind_survives_the_way_to_its_number_and_back() {
        for (i, kind) in SyntaxKind::ALL.into_iter().enumerate() {
            assert_eq!(i, kind as usize);
            assert_eq!(kind, Dsl::kind_from_raw(Dsl::kind_to_raw(kind)));
        }
        assert_eq!(SyntaxKind::ALL.len(), ERROR as usize + 1);
    }
}
