//! The tree as a list of lines and tables, each with its indentation.

use super::{line, table};
use crate::syntax::{
    SyntaxElement,
    SyntaxKind::{self, *},
    SyntaxNode, SyntaxToken,
};

/// Columns per level.
const INDENT: usize = 2;
/// A tab of the source goes on to the next multiple of this, as in the parser.
const TAB_COLUMNS: usize = 4;

/// A line (with its continuation lines), a table, or a comment on a line of its own.
pub(super) struct Entry {
    content: Content,
    /// Columns of indentation in the result.
    pub(super) indent: usize,
    /// Columns of indentation in the source.
    column: usize,
    /// The source has a blank line before it.
    pub(super) blank_before: bool,
    /// It is the first line of a block.
    pub(super) opens_block: bool,
    /// It is a comment of the run that stands on top of a block.
    pub(super) leads_to_block: bool,
}

enum Content {
    Comment(SyntaxToken),
    /// All tokens of a logical line. The kind is that of the node that the line is.
    Line {
        kind: SyntaxKind,
        tokens: Vec<SyntaxToken>,
    },
    Table(SyntaxNode),
}

impl Entry {
    /// Appends its lines, each with its end.
    pub(super) fn write(&self, out: &mut String) {
        match &self.content {
            Content::Comment(token) => push_line(out, self.indent, token.text().trim_end()),
            Content::Line { kind, tokens } => line::write(*kind, tokens, self.indent, out),
            Content::Table(node) => table::formatted(node).iter().for_each(|row| push_line(out, self.indent, row)),
        }
    }

    fn is_comment(&self) -> bool {
        matches!(self.content, Content::Comment(_))
    }

    /// A heading whose brackets are closed: without the blank line, what follows would go on with one that is open.
    pub(super) fn is_whole_heading(&self) -> bool {
        let Content::Line { kind: HEADING, tokens } = &self.content else {
            return false;
        };
        let open = tokens.iter().filter(|t| t.kind() == PUNCT).fold(0_usize, |open, t| match t.text() {
            "(" | "[" | "{" => open + 1,
            ")" | "]" | "}" => open.saturating_sub(1),
            _ => open,
        });
        open == 0
    }

    /// Lines whose blanks are their author's: prose, and what is not understood.
    fn is_free_text(&self) -> bool {
        matches!(self.content, Content::Line { kind: PROSE | ERROR, .. })
    }
}

fn push_line(out: &mut String, indent: usize, text: &str) {
    push_blanks(out, indent);
    out.push_str(text);
    out.push('\n');
}

pub(super) fn push_blanks(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}

/// How wide blanks at the front of a line are.
pub(super) fn columns(blanks: &str) -> usize {
    blanks.chars().fold(0, |column, c| match c {
        '\t' => (column / TAB_COLUMNS + 1) * TAB_COLUMNS,
        '\u{feff}' => column,
        _ => column + 1,
    })
}

/// All lines of a text in their order.
pub(super) fn entries(root: &SyntaxNode) -> Vec<Entry> {
    let mut walk = Walk { entries: Vec::new(), line: Vec::new(), kind: None, indent: 0, blank_before: false, opens_block: false };
    walk.block(root, 0, 0);
    walk.end_line();
    let mut entries = walk.entries;
    // First the lines, then the comments, which stand by lines as those will stand.
    keep_shape(&mut entries);
    place_comments(&mut entries);
    entries
}

struct Walk {
    entries: Vec<Entry>,
    /// The tokens of the line so far.
    line: Vec<SyntaxToken>,
    /// The kind of the first node on it.
    kind: Option<SyntaxKind>,
    /// Where it stands.
    indent: usize,
    blank_before: bool,
    opens_block: bool,
}

impl Walk {
    /// `head` is where headings and the annotations on top of them stand, `body` where everything below stands.
    fn block(&mut self, node: &SyntaxNode, head: usize, body: usize) {
        let mut below_heading = !node.children().any(|n| n.kind() == HEADING);
        for element in node.children_with_tokens() {
            let indent = if below_heading { body } else { head };
            self.element(element.clone(), indent);
            below_heading |= element.kind() == HEADING;
        }
    }

    fn element(&mut self, element: SyntaxElement, indent: usize) {
        let node = match element {
            SyntaxElement::Token(token) => return self.token(token, indent),
            SyntaxElement::Node(node) => node,
        };
        match node.kind() {
            FEATURE | BACKGROUND | SCENARIO | EXAMPLES | STEP_TEMPLATE | CONTRACT => {
                self.opens_block = true;
                self.block(&node, indent, indent + INDENT);
            }
            STEP => {
                // Its annotation, up to the end of that line, stands above what it does.
                let mut inside = indent;
                for element in node.children_with_tokens() {
                    let ends_line = matches!(&element, SyntaxElement::Token(t) if t.kind() == NEWLINE);
                    self.element(element, inside);
                    if ends_line {
                        inside = indent + INDENT;
                    }
                }
            }
            TABLE => {
                let below_line = node.parent().is_some_and(|p| p.kind() == EXAMPLES);
                let indent = if below_line { indent + INDENT } else { indent };
                let column = node.first_token().filter(|t| t.kind() == WHITESPACE).map_or(0, |t| columns(t.text()));
                self.line.clear();
                self.push(Content::Table(node), indent, column);
            }
            // Lines that are not understood stand for themselves, one by one.
            ERROR if self.kind.is_none() => {
                for element in node.descendants_with_tokens() {
                    if let SyntaxElement::Token(token) = element {
                        if !token.kind().is_trivia() {
                            self.begin(ERROR, indent);
                        }
                        self.token(token, indent);
                    }
                }
            }
            kind => {
                self.begin(kind, indent);
                self.line.extend(node.descendants_with_tokens().filter_map(SyntaxElement::into_token));
                if self.line.last().is_some_and(|t| t.kind() == NEWLINE) {
                    self.end_line();
                }
            }
        }
    }

    /// The first node of a line says what the line is and where it stands.
    fn begin(&mut self, kind: SyntaxKind, indent: usize) {
        if self.kind.is_none() {
            self.kind = Some(kind);
            self.indent = indent;
        }
    }

    fn token(&mut self, token: SyntaxToken, indent: usize) {
        let ends_line = token.kind() == NEWLINE;
        if self.kind.is_none() {
            self.indent = indent;
        }
        self.line.push(token);
        if ends_line {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let indent = self.indent;
        let tokens = std::mem::take(&mut self.line);
        let kind = self.kind.take();
        let column = tokens.iter().take_while(|t| t.kind() == WHITESPACE).map(|t| columns(t.text())).sum();
        let mut code = tokens.iter().filter(|t| !matches!(t.kind(), WHITESPACE | NEWLINE));
        match (code.next(), code.next()) {
            (None, _) => self.blank_before |= !tokens.is_empty(),
            (Some(comment), None) if comment.kind() == COMMENT => self.push(Content::Comment(comment.clone()), indent, column),
            _ => self.push(Content::Line { kind: kind.unwrap_or(ERROR), tokens }, indent, column),
        }
    }

    fn push(&mut self, content: Content, indent: usize, column: usize) {
        let is_comment = matches!(content, Content::Comment(_));
        let opens_block = !is_comment && std::mem::take(&mut self.opens_block);
        let blank_before = std::mem::take(&mut self.blank_before);
        self.entries.push(Entry { content, indent, column, blank_before, opens_block, leads_to_block: false });
    }
}

/// A comment stands as deep as the line after it, unless it was written as deep as the line before it or as one of those that this one is in.
fn place_comments(entries: &mut [Entry]) {
    let mut below = Vec::with_capacity(entries.len());
    let mut next = None;
    for entry in entries.iter().rev() {
        below.push(next);
        if !entry.is_comment() {
            next = Some((entry.column, entry.indent, entry.opens_block));
        }
    }
    // Lines that are still open, outermost first, with their columns in the source and in the result.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (entry, below) in entries.iter_mut().zip(below.into_iter().rev()) {
        if !entry.is_comment() {
            while open.last().is_some_and(|(_, indent)| *indent >= entry.indent) {
                open.pop();
            }
            open.push((entry.column, entry.indent));
            continue;
        }
        let own = open.iter().rev().find(|(column, _)| *column == entry.column).map(|(_, indent)| *indent);
        match (own, below) {
            (Some(indent), Some((column, below, _))) if column != entry.column && indent != below => entry.indent = indent,
            (_, Some((_, indent, opens_block))) => {
                entry.indent = indent;
                entry.leads_to_block = opens_block;
            }
            (own, None) => entry.indent = own.or(open.last().map(|(_, indent)| *indent)).unwrap_or(0),
        }
    }
    // A comment that belongs to the line above it cuts the run of those on top of a block.
    let mut run = false;
    for entry in entries.iter_mut().rev() {
        run = entry.opens_block || (run && entry.leads_to_block);
        entry.leads_to_block &= run;
    }
}

/// Free text keeps its own indentation (of lists, say) relative to the first line of its run.
fn keep_shape(entries: &mut [Entry]) {
    // Where the run's first line stands in the source, and where its lines would stand in the result.
    let mut run: Option<(usize, usize)> = None;
    for entry in entries.iter_mut() {
        if !entry.is_free_text() {
            run = None;
            continue;
        }
        let (first, _) = *run.insert(run.filter(|(_, indent)| *indent == entry.indent).unwrap_or((entry.column, entry.indent)));
        entry.indent += entry.column.saturating_sub(first);
    }
}
