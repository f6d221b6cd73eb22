//! Texts that match a regular expression: a parser for a subset, a generator, and a matcher for the same subset.
//!
//! Known: literals, `.`, escaped signs, `\d` `\w` `\s` and their opposites, `\t` `\n` `\r`, classes with ranges and their opposites, groups (also `(?:…)`),
//! alternatives, `?` `*` `+` `{n}` `{n,}` `{n,m}` (also lazy), and `^` and `$` at the ends of the pattern or of one of its alternatives. Not known: flags,
//! `\b`, `\p{…}`, names of classes. What is generated is printable ASCII, but for letters that the pattern itself has.

use rand::{RngExt, rngs::StdRng};

/// How deep groups may lie in each other.
const MAX_DEPTH: usize = 64;
/// How often a repetition without an end is written at most beyond its least number.
const OPEN_REPEATS: u32 = 8;
/// The largest number of a repetition.
const MAX_REPEATS: u32 = 1_000;
/// How many signs a generated text has at most; what would come after that takes the shortest way.
const MAX_SIGNS: usize = 4_096;
/// How many steps the matcher makes before it gives up, taking the text for one that does not match.
const MAX_STEPS: usize = 200_000;

/// A pattern that texts can be made up for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    root: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// One sign of these ranges, or one of none of them.
    Sign {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    Start,
    End,
    All(Vec<Node>),
    OneOf(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What it uses that is not known here.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text.chars().collect::<Vec<_>>(), at: 0, depth: 0 };
        let root = parser.alternatives()?;
        match parser.peek() {
            None => Ok(Pattern { root }),
            Some(sign) => Err(format!("`{sign}` closes nothing")),
        }
    }

    /// A text that matches.
    pub fn generate(&self, random: &mut StdRng) -> String {
        let mut out = String::new();
        self.root.generate(random, &mut out, &mut 0);
        out
    }

    /// Whether a text matches somewhere in it, as `matches` of a contract means it.
    pub fn matches(&self, text: &str) -> bool {
        let signs: Vec<char> = text.chars().collect();
        let mut steps = MAX_STEPS;
        (0..=signs.len()).any(|start| run(&[&self.root], &signs, start, &mut steps))
    }
}

fn digit() -> Vec<(char, char)> {
    vec![('0', '9')]
}

fn word() -> Vec<(char, char)> {
    vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]
}

fn space() -> Vec<(char, char)> {
    vec![(' ', ' '), ('\t', '\r')]
}

struct Parser {
    rest: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let sign = self.peek();
        self.at += usize::from(sign.is_some());
        sign
    }

    fn eat(&mut self, sign: char) -> bool {
        let is = self.peek() == Some(sign);
        self.at += usize::from(is);
        is
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        let mut all = vec![self.sequence()?];
        while self.eat('|') {
            all.push(self.sequence()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::OneOf(all) })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut all = Vec::new();
        while let Some(sign) = self.peek() {
            match sign {
                '|' | ')' => break,
                '^' => {
                    if !all.is_empty() || self.depth > 0 {
                        return Err("`^` is known only at the beginning".to_owned());
                    }
                    self.at += 1;
                    all.push(Node::Start);
                }
                '$' => {
                    self.at += 1;
                    if self.depth > 0 || !matches!(self.peek(), None | Some('|')) {
                        return Err("`$` is known only at the end".to_owned());
                    }
                    all.push(Node::End);
                }
                _ => {
                    let node = self.atom()?;
                    all.push(self.repeated(node)?);
                }
            }
        }
        Ok(Node::All(all))
    }

    fn atom(&mut self) -> Result<Node, String> {
        let one = |ranges| Node::Sign { ranges, negated: false };
        match self.next() {
            Some('(') => {
                if self.eat('?') && !self.eat(':') {
                    return Err("`(?…)` is known only as `(?:…)`".to_owned());
                }
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(format!("groups lie more than {MAX_DEPTH} deep in each other"));
                }
                let inside = self.alternatives()?;
                self.depth -= 1;
                if self.eat(')') { Ok(inside) } else { Err("`(` is not closed".to_owned()) }
            }
            Some('[') => self.class(),
            Some('.') => Ok(Node::Sign { ranges: vec![('\n', '\n')], negated: true }),
            Some('\\') => {
                let (ranges, negated) = self.escape()?;
                Ok(Node::Sign { ranges, negated })
            }
            Some(sign @ ('*' | '+' | '?' | '{')) => Err(format!("`{sign}` repeats nothing")),
            Some(sign) => Ok(one(vec![(sign, sign)])),
            None => Err("it ends too early".to_owned()),
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Result<(Vec<(char, char)>, bool), String> {
        let alone = |sign| (vec![(sign, sign)], false);
        match self.next() {
            Some('d') => Ok((digit(), false)),
            Some('D') => Ok((digit(), true)),
            Some('w') => Ok((word(), false)),
            Some('W') => Ok((word(), true)),
            Some('s') => Ok((space(), false)),
            Some('S') => Ok((space(), true)),
            Some('t') => Ok(alone('\t')),
            Some('n') => Ok(alone('\n')),
            Some('r') => Ok(alone('\r')),
            Some(sign) if (sign.is_ascii_punctuation() && !matches!(sign, '<' | '>')) || sign == ' ' => Ok(alone(sign)),
            Some(sign) => Err(format!("`\\{sign}` is not known")),
            None => Err("it ends with a backslash".to_owned()),
        }
    }

    fn class(&mut self) -> Result<Node, String> {
        let negated = self.eat('^');
        let mut ranges = Vec::new();
        loop {
            let first = match self.next() {
                None => return Err("`[` is not closed".to_owned()),
                Some(']') if !ranges.is_empty() => break,
                Some('[') => return Err("`[` inside of a class needs a backslash".to_owned()),
                Some('&') if self.peek() == Some('&') => return Err("`&&` is not known".to_owned()),
                Some('\\') => {
                    let (found, not) = self.escape()?;
                    match (found.as_slice(), not) {
                        (_, true) => return Err("an opposite (`\\D`, `\\W`, `\\S`) inside of a class is not known".to_owned()),
                        ([(sign, other)], false) if sign == other => *sign,
                        _ => {
                            ranges.extend(found);
                            continue;
                        }
                    }
                }
                Some(sign) => sign,
            };
            let is_range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|c| *c != ']');
            if !is_range {
                ranges.push((first, first));
                continue;
            }
            self.at += 1;
            let last = match self.next() {
                Some('\\') => match self.escape()? {
                    (found, false) if found.len() == 1 && found[0].0 == found[0].1 => found[0].0,
                    _ => return Err("a range ends with a sign".to_owned()),
                },
                Some(sign) => sign,
                None => return Err("`[` is not closed".to_owned()),
            };
            if last < first {
                return Err(format!("the range `{first}-{last}` is empty"));
            }
            ranges.push((first, last));
        }
        Ok(Node::Sign { ranges, negated })
    }

    fn repeated(&mut self, node: Node) -> Result<Node, String> {
        let (least, most) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => return self.counted(node),
            _ => return Ok(node),
        };
        self.at += 1;
        self.more(node, least, most)
    }

    fn counted(&mut self, node: Node) -> Result<Node, String> {
        self.at += 1;
        let least = self.number()?;
        let most = if !self.eat(',') {
            Some(least)
        } else if self.peek() == Some('}') {
            None
        } else {
            Some(self.number()?)
        };
        if !self.eat('}') {
            return Err("`{` is not closed".to_owned());
        }
        if most.is_some_and(|most| most < least) {
            return Err("a repetition ends below its beginning".to_owned());
        }
        self.more(node, least, most)
    }

    fn more(&mut self, node: Node, least: u32, most: Option<u32>) -> Result<Node, String> {
        // Lazy or not: the texts that match are the same.
        self.eat('?');
        if matches!(self.peek(), Some('*' | '+' | '{' | '?')) {
            return Err("a repetition of a repetition needs a group".to_owned());
        }
        Ok(Node::Repeat { node: Box::new(node), least, most })
    }

    fn number(&mut self) -> Result<u32, String> {
        let mut number: u32 = 0;
        let mut any = false;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            any = true;
            number = number.saturating_mul(10).saturating_add(digit);
        }
        match number {
            _ if !any => Err("a number is missing after `{`".to_owned()),
            n if n > MAX_REPEATS => Err(format!("more than {MAX_REPEATS} repetitions are not known")),
            n => Ok(n),
        }
    }
}

impl Node {
    fn generate(&self, random: &mut StdRng, out: &mut String, signs: &mut usize) {
        match self {
            Node::Start | Node::End => {}
            Node::Sign { ranges, negated } => {
                out.push(sign_of(ranges, *negated, random));
                *signs += 1;
            }
            Node::All(all) => all.iter().for_each(|node| node.generate(random, out, signs)),
            Node::OneOf(all) => {
                if let Some(node) = all.get(random.random_range(0..all.len().max(1))) {
                    node.generate(random, out, signs);
                }
            }
            Node::Repeat { node, least, most } => {
                let most = most.unwrap_or(least.saturating_add(OPEN_REPEATS));
                let times = if *signs >= MAX_SIGNS { *least } else { random.random_range(*least..=most.max(*least)) };
                (0..times).for_each(|_| node.generate(random, out, signs));
            }
        }
    }
}

fn is_in(ranges: &[(char, char)], sign: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&sign))
}

fn sign_of(ranges: &[(char, char)], negated: bool, random: &mut StdRng) -> char {
    if negated {
        let allowed: Vec<char> = (' '..='~').filter(|c| !is_in(ranges, *c)).collect();
        // A class that leaves out all of ASCII is left with some letter of another script.
        return match allowed.len() {
            0 => ('\u{c0}'..='\u{17f}').find(|c| !is_in(ranges, *c)).unwrap_or('\u{2603}'),
            n => allowed[random.random_range(0..n)],
        };
    }
    let printable = |(first, last): &(char, char)| {
        let (low, high) = ((*first).max(' '), (*last).min('~'));
        if low <= high { (low, high) } else { (*first, *last) }
    };
    let (first, last) = ranges.get(random.random_range(0..ranges.len().max(1))).map_or(('?', '?'), printable);
    random.random_range(first..=last)
}

/// Whether the nodes, one after the other, match from a place on.
fn run(nodes: &[&Node], signs: &[char], at: usize, steps: &mut usize) -> bool {
    if *steps == 0 {
        return false;
    }
    *steps -= 1;
    let Some((first, rest)) = nodes.split_first() else { return true };
    match first {
        Node::Start => at == 0 && run(rest, signs, at, steps),
        Node::End => at == signs.len() && run(rest, signs, at, steps),
        Node::Sign { ranges, negated } => {
            signs.get(at).is_some_and(|sign| is_in(ranges, *sign) != *negated) && run(rest, signs, at + 1, steps)
        }
        Node::All(all) => run(&all.iter().chain(rest.iter().copied()).collect::<Vec<_>>(), signs, at, steps),
        Node::OneOf(all) => all.iter().any(|one| {
            let nodes: Vec<&Node> = std::iter::once(one).chain(rest.iter().copied()).collect();
            run(&nodes, signs, at, steps)
        }),
        Node::Repeat { node, least, most } => repeat(node, (*least, *most), rest, signs, at, steps),
    }
}

/// A repetition, then the rest. Each time takes at least one sign, once there were enough, so that it ends.
fn repeat(node: &Node, (least, most): (u32, Option<u32>), rest: &[&Node], signs: &[char], at: usize, steps: &mut usize) -> bool {
    if *steps == 0 {
        return false;
    }
    if least == 0 && run(rest, signs, at, steps) {
        return true;
    }
    if most == Some(0) {
        return false;
    }
    let (less, fewer) = (least.saturating_sub(1), most.map(|m| m - 1));
    let ends: Vec<usize> =
        (at..=signs.len()).filter(|end| (*end > at || least > 0) && matches_exactly(node, &signs[..*end], at, steps)).collect();
    ends.into_iter().any(|end| {
        *steps = steps.saturating_sub(1);
        repeat(node, (less, fewer), rest, signs, end, steps)
    })
}

/// Whether a node matches from a place to the end of the signs. Ends of the pattern do not stand inside of repetitions.
fn matches_exactly(node: &Node, signs: &[char], at: usize, steps: &mut usize) -> bool {
    run(&[node, &Node::End], signs, at, steps)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::{array::StringArray, compute::kernels::regexp::regexp_is_match_scalar};
    use proptest::prelude::*;
    use rand::SeedableRng;

    /// As the engine sees it.
    fn reference(pattern: &str, text: &str) -> Option<bool> {
        let texts = StringArray::from(vec![text]);
        regexp_is_match_scalar(&texts, pattern, None).ok().map(|matches| matches.value(0))
    }

    #[test]
    fn what_contracts_say_is_known() {
        let mut random = StdRng::seed_from_u64(1);
        for pattern in [
            "^c[0-9]+$",
            "^[A-Z]{2}\\d{2}[A-Z0-9]{11,30}$",
            "^[\\w.+-]+@[\\w-]+\\.[a-z]{2,}$",
            "^(?:GET|POST|PUT) /[^ ]*$",
            "^\\+?[1-9]\\d{1,14}$",
            "^([0-9]{1,3}\\.){3}[0-9]{1,3}$",
            "abc|^x+?y$",
            "^\\d{4}-(0[1-9]|1[0-2])-[0-3]\\d$",
            "^.{3,5}$",
            "",
            "é+",
        ] {
            let known = Pattern::parse(pattern).unwrap();
            for _ in 0..50 {
                let text = known.generate(&mut random);
                assert_eq!(reference(pattern, &text), Some(true), "{pattern}: {text:?}");
                assert!(known.matches(&text), "{pattern}: {text:?}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (pattern, why) in [
            ("(?i)abc", "`(?…)`"),
            ("\\bword\\b", "`\\b`"),
            ("\\p{L}+", "`\\p`"),
            ("\\<word\\>", "`\\<`"),
            ("a(b", "`(` is not closed"),
            ("a)", "`)` closes nothing"),
            ("[a", "`[` is not closed"),
            ("a{2", "`{` is not closed"),
            ("a{3,2}", "below"),
            ("a{5000}", "repetitions"),
            ("*a", "repeats nothing"),
            ("a**", "repetition of a repetition"),
            ("a^b", "`^`"),
            ("(a$)", "`$`"),
            ("[[:alpha:]]", "backslash"),
            ("a\\", "backslash"),
        ] {
            let said = Pattern::parse(pattern).unwrap_err();
            assert!(said.contains(why), "{pattern}: {said}");
        }
        assert!(Pattern::parse(&"(".repeat(1_000)).is_err());
    }

    #[test]
    fn a_matcher_that_would_never_end_gives_up() {
        let greedy = Pattern::parse("^(a*a*)*b$").unwrap();
        assert!(!greedy.matches(&"a".repeat(200)));
    }

    fn patterns() -> impl Strategy<Value = String> {
        let atom = prop_oneof!["[a-c]", Just("\\d".to_owned()), Just("[^a-m]".to_owned()), Just("\\.".to_owned()), Just(".".to_owned())];
        let times = prop_oneof![Just(""), Just("?"), Just("*"), Just("+"), Just("{2}"), Just("{1,3}"), Just("{0,}")];
        let piece = (atom, times.clone()).prop_map(|(a, t)| a + t);
        let sequence = proptest::collection::vec(piece, 0..4).prop_map(|p| p.concat());
        let group = (proptest::collection::vec(sequence, 1..3), times).prop_map(|(s, t)| format!("({}){t}", s.join("|")));
        (any::<bool>(), proptest::collection::vec(group, 0..3), any::<bool>())
            .prop_map(|(start, groups, end)| format!("{}{}{}", if start { "^" } else { "" }, groups.concat(), if end { "$" } else { "" }))
    }

    proptest! {
        #[test]
        fn generator_and_matcher_agree_with_the_engine(pattern in patterns(), seed in 0u64..1000, text in "[a-e0-2.]{0,6}") {
            let known = Pattern::parse(&pattern).unwrap();
            let made = known.generate(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(reference(&pattern, &made), Some(true), "made {:?}", made);
            prop_assert_eq!(reference(&pattern, &text), Some(known.matches(&text)), "{:?}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(pattern in ".{0,40}") {
            if let Ok(known) = Pattern::parse(&pattern) {
                let made = known.generate(&mut StdRng::seed_from_u64(0));
                prop_assert_ne!(reference(&pattern, &made), Some(false), "made {:?}", made);
            }
        }
    }
}
