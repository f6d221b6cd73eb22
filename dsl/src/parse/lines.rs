//! A text cut into lines, and what each of them looks like at first sight.

use super::lexer::is_word;

/// Tabs in the indentation go on to the next multiple of this.
const TAB_COLUMNS: usize = 4;

/// A heading of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    Feature,
    Background,
    Scenario,
    Examples,
    Step,
    Contract,
}

impl Heading {
    pub(crate) const ALL: [(Heading, &'static str); 6] = [
        (Heading::Feature, "Feature"),
        (Heading::Background, "Background"),
        (Heading::Scenario, "Scenario"),
        (Heading::Examples, "Examples"),
        (Heading::Step, "Step"),
        (Heading::Contract, "Contract"),
    ];

    pub(crate) fn keyword(self) -> &'static str {
        Heading::ALL[self as usize].1
    }
}

/// What a line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    Blank,
    Comment,
    /// `|`.
    Table,
    /// `@`.
    Annotation,
    /// A heading's keyword and its colon.
    Heading(Heading),
    /// Anything else.
    Text,
}

/// One line, as byte offsets of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub start: usize,
    /// The first character that is not blank; `end` where all are.
    pub first: usize,
    /// The end without trailing blanks and line break.
    pub trimmed: usize,
    /// The end without the line break.
    pub end: usize,
    /// The start of the next line.
    pub next: usize,
    /// Columns of indentation.
    pub indent: usize,
    pub kind: LineKind,
}

/// Cuts a text into lines. An empty text has none.
pub(crate) fn cut(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let (end, next) = match text[start..].find('\n') {
            Some(n) if n > 0 && text.as_bytes()[start + n - 1] == b'\r' => (start + n - 1, start + n + 1),
            Some(n) => (start + n, start + n + 1),
            None => (text.len(), text.len()),
        };
        let line = &text[start..end];
        // A byte order mark is not a blank for `char`, but it is one for people.
        let is_blank = |c: char| c.is_whitespace() || (start == 0 && c == '\u{feff}');
        let blanks = line.find(|c| !is_blank(c)).unwrap_or(line.len());
        let indent = line[..blanks].chars().fold(0, |column, c| match c {
            '\t' => (column / TAB_COLUMNS + 1) * TAB_COLUMNS,
            '\u{feff}' => column,
            _ => column + 1,
        });
        let trimmed = start + line.trim_end_matches(is_blank).len().max(blanks);
        lines.push(Line { start, first: start + blanks, trimmed, end, next, indent, kind: kind(line[blanks..].trim_end()) });
        start = next;
    }
    lines
}

fn kind(content: &str) -> LineKind {
    match content.as_bytes() {
        [] => LineKind::Blank,
        [b'#', ..] => LineKind::Comment,
        [b'@', ..] => LineKind::Annotation,
        [b'|', b'|', ..] => LineKind::Text,
        [b'|', ..] => LineKind::Table,
        _ => match keyword(content).and_then(|(word, _)| heading(word)) {
            Some(heading) => LineKind::Heading(heading),
            None => LineKind::Text,
        },
    }
}

/// The word before a line's colon and the offset after the colon, where the line begins with a word and a colon.
pub(crate) fn keyword(content: &str) -> Option<(&str, usize)> {
    let end = content.find(|c: char| !is_word(c) && c != '-')?;
    let blanks = content[end..].find(|c: char| c != ' ' && c != '\t')?;
    (end > 0 && content[end + blanks..].starts_with(':')).then(|| (&content[..end], end + blanks + 1))
}

/// The heading with exactly this keyword.
pub(crate) fn heading(word: &str) -> Option<Heading> {
    Heading::ALL.into_iter().find(|(_, keyword)| *keyword == word).map(|(heading, _)| heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_without_losing_a_byte() {
        let text = "\u{feff}Feature: a\r\n\n\t @do x \n|a|\n||b\nlast";
        let lines = cut(text);
        let kinds: Vec<LineKind> = lines.iter().map(|l| l.kind).collect();
        assert_eq!(
            kinds,
            [LineKind::Heading(Heading::Feature), LineKind::Blank, LineKind::Annotation, LineKind::Table, LineKind::Text, LineKind::Text]
        );
        assert_eq!(lines.iter().map(|l| &text[l.start..l.next]).collect::<String>(), text);
        assert_eq!(lines[2].indent, 5);
        assert_eq!(&text[lines[2].first..lines[2].trimmed], "@do x");
    }

    #[test]
    fn headings_keep_their_order() {
        for (heading, keyword) in Heading::ALL {
            assert_eq!(heading.keyword(), keyword);
        }
    }
}
