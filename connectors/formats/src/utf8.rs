//! UTF-8 of a buffer, checked in large steps ahead of the rows, since checking row by row costs more.

/// How far ahead is checked at once, in bytes.
const STEP_BYTES: usize = 64 << 10;

/// What is known of a buffer.
#[derive(Debug, Default)]
pub(crate) struct Utf8Check {
    /// All before here is UTF-8, up to a character that is cut here.
    checked: usize,
    /// The first byte that is not, if one was met.
    bad: Option<usize>,
}

impl Utf8Check {
    /// The first byte in `buf[start..end]` that is not UTF-8. Rows are asked for in their order, each once.
    #[inline]
    pub(crate) fn bad_in(&mut self, buf: &[u8], start: usize, end: usize) -> Option<usize> {
        if end <= self.checked && self.bad.is_none() {
            return None;
        }
        self.look(buf, start, end)
    }

    #[cold]
    fn look(&mut self, buf: &[u8], start: usize, end: usize) -> Option<usize> {
        if let Some(bad) = self.bad {
            if bad >= end {
                return None;
            }
            // The check goes on with the next row.
            self.bad = None;
            if bad >= start {
                self.checked = end;
                return Some(bad);
            }
            self.checked = start;
        }
        while self.checked < end {
            let to = (self.checked + STEP_BYTES).max(end).min(buf.len());
            match simdutf8::compat::from_utf8(&buf[self.checked..to]) {
                Ok(_) => self.checked = to,
                Err(e) => {
                    let at = self.checked + e.valid_up_to();
                    if e.error_len().is_none() && at + 4 > to && to < buf.len() {
                        // A character is cut by the step's end.
                        self.checked = at;
                        if at >= end {
                            return None;
                        }
                        continue;
                    }
                    self.checked = at;
                    self.bad = Some(at);
                    return self.look(buf, start, end);
                }
            }
        }
        None
    }
}
